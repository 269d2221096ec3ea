import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from functions.failures import ConstraintRefused, Unavailable
from functions.generation import Constraint
from functions.validation import ConstraintValidator
from functions.validation_child import tokenizer
from functions.validation_tokenizer import load_tokenizer
from infra.settings import Settings, ValidationSettings

SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


def limits(settings: Settings, **changes: float) -> ValidationSettings:
    return settings.validation.model_copy(update=changes)


async def test_a_good_constraint_passes_with_figures(validator: ConstraintValidator):
    verdict = await validator.check(Constraint.of("json_schema", SCHEMA))
    assert verdict.digest == Constraint.of("json_schema", SCHEMA).digest
    assert verdict.figures.grammar_bytes > 0
    assert verdict.figures.compile_s > 0
    assert verdict.figures.first_mask_s > 0


async def test_a_refusal_points_at_the_keyword_in_llguidances_own_words(validator: ConstraintValidator):
    schema = {"properties": {"a/b": {"items": {"uniqueItems": True}}}}
    with pytest.raises(ConstraintRefused) as refused:
        await validator.check(Constraint.of("json_schema", schema))
    assert refused.value.pointer == "/properties/a~1b/items/uniqueItems"
    assert refused.value.reason == 'Unimplemented keys: ["uniqueItems"]'


@pytest.mark.parametrize(
    ("kind", "source", "words"),
    [
        ("grammar", 'start: a\na: "b" (', "line 2, column 9: "),
        ("regex", "ab(?=c)", "character 3: look-around"),
        ("regex", "a{20000}", "(character 2)"),
        ("grammar", 'start: "a"\n  | /b{20000}/', "line 2, column 5"),
    ],
)
async def test_a_refusal_of_text_says_where(validator: ConstraintValidator, kind: str, source: str, words: str):
    with pytest.raises(ConstraintRefused, match=r".") as refused:
        await validator.check(Constraint(kind=kind, source=source))
    assert words in refused.value.reason


async def test_verdicts_good_and_bad_are_remembered(validator: ConstraintValidator):
    good, bad = Constraint.of("regex", "remember[0-9]"), Constraint.of("regex", "remember(")
    before = validator.stats
    for _ in range(3):
        await validator.check(good)
        with pytest.raises(ConstraintRefused):
            await validator.check(bad)
    after = validator.stats
    assert after.misses - before.misses == 2
    assert after.hits - before.hits == 4
    assert after.refusals - before.refusals == 3


async def test_equal_constraints_at_once_are_tried_once(validator: ConstraintValidator):
    constraint = Constraint.of("regex", "single flight")
    before = validator.stats.misses
    verdicts = await asyncio.gather(*[validator.check(constraint) for _ in range(20)])
    assert validator.stats.misses == before + 1
    assert len(set(verdicts)) == 1


async def test_a_caller_that_goes_away_does_not_take_the_verdict_from_others(validator: ConstraintValidator):
    constraint = Constraint.of("regex", "goes away")
    first = asyncio.ensure_future(validator.check(constraint))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(validator.check(constraint))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).digest == constraint.digest


async def test_only_so_many_verdicts_are_kept(settings: Settings, model_path: Path):
    async with ConstraintValidator(limits(settings, cached_verdicts=2), model_path / "tokenizer.json") as validator:
        for text in ("a", "b", "c", "a"):
            await validator.check(Constraint.of("regex", text))
        assert validator.stats.misses == 4


async def test_a_queue_that_is_full_says_when_to_come_back(settings: Settings, model_path: Path):
    one = limits(settings, processes=1, max_waiting=1)
    async with ConstraintValidator(one, model_path / "tokenizer.json") as validator:
        checks = [validator.check(Constraint.of("regex", f"q{n}")) for n in range(5)]
        answers = await asyncio.gather(*checks, return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, Unavailable)]
        assert len(refused) == 4
        assert all(answer.retry_after_s > 0 for answer in refused)
        await validator.check(Constraint.of("regex", "q1"))  # a refusal for want of room is not remembered


async def test_without_a_tokenizer_the_validator_is_unavailable(settings: Settings, tmp_path: Path):
    async with ConstraintValidator(settings.validation, tmp_path / "tokenizer.json") as validator:
        with pytest.raises(Unavailable, match="cannot start"):
            await validator.check(Constraint.of("regex", "a"))


async def test_before_the_start_and_after_the_end_it_is_unavailable(settings: Settings, model_path: Path):
    validator = ConstraintValidator(settings.validation, model_path / "tokenizer.json")
    with pytest.raises(Unavailable, match="not been started"):
        await validator.check(Constraint.of("regex", "a"))
    await validator.start()
    await validator.check(Constraint.of("regex", "a"))
    processes = validator.processes
    await validator.close()
    assert processes
    assert not any(is_alive(pid) for pid in processes)
    with pytest.raises(Unavailable, match="closed"):
        await validator.check(Constraint.of("regex", "b"))


async def test_close_ends_checks_under_way(settings: Settings, model_path: Path):
    validator = ConstraintValidator(settings.validation, model_path / "tokenizer.json")
    await validator.start()
    check = asyncio.ensure_future(validator.check(Constraint.of("regex", "under way")))
    await asyncio.sleep(0)
    await validator.close()
    with pytest.raises(Unavailable, match="closed"):
        await check


async def test_killed_workers_are_replaced_and_nothing_is_blamed_on_the_next_constraint(validator: ConstraintValidator):
    await validator.check(Constraint.of("regex", "before the kill"))
    processes = validator.processes
    for pid in processes:
        os.kill(pid, signal.SIGKILL)
    while any(is_alive(pid) for pid in processes):  # noqa: ASYNC110 - the end of another's child is no event here
        await asyncio.sleep(0.01)
    verdict = await validator.check(Constraint.of("regex", "after the kill"))
    assert verdict.figures.grammar_bytes


async def test_a_killed_nursery_is_replaced(settings: Settings, model_path: Path):
    async with ConstraintValidator(settings.validation, model_path / "tokenizer.json") as validator:
        await validator.check(Constraint.of("regex", "a"))
        os.kill(parent_of(validator.processes[0]), signal.SIGKILL)
        for n in range(50):
            try:
                await validator.check(Constraint.of("regex", f"again {n}"))
                break
            except Unavailable:
                await asyncio.sleep(0.1)
        else:
            pytest.fail("the nursery did not come back")


def test_no_process_outlives_a_killed_server(model_path: Path):
    server = textwrap.dedent("""
        import asyncio, pathlib, sys
        from functions.generation import Constraint
        from functions.validation import ConstraintValidator
        from infra.settings import load_settings

        async def main():
            validator = ConstraintValidator(load_settings("local").validation, pathlib.Path(sys.argv[1]))
            await validator.start()
            await validator.check(Constraint.of("regex", "a"))
            print("processes", *validator.processes, flush=True)
            await asyncio.sleep(60)

        asyncio.run(main())
    """)
    command = [sys.executable, "-c", server, str(model_path / "tokenizer.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own code
        assert process.stdout is not None
        line = next(line for line in process.stdout if line.startswith("processes"))
        workers = [int(pid) for pid in line.split()[1:]]
        nursery = parent_of(workers[0])
        process.kill()
    for _ in range(100):
        if not any(is_alive(pid) for pid in (nursery, *workers)):
            return
        time.sleep(0.05)
    pytest.fail("processes were left behind")


class TestRunLimited:
    async def test_answers_the_result(self, validator: ConstraintValidator):
        assert await validator.run_limited(add, 2, 3) == 5

    async def test_gives_the_tokenizer(self, validator: ConstraintValidator):
        assert await validator.run_limited(vocabulary_size) > 1000

    async def test_raises_what_the_function_raises(self, validator: ConstraintValidator):
        with pytest.raises(ZeroDivisionError) as raised:
            await validator.run_limited(divide, 1, 0)
        assert any("in divide" in note for note in raised.value.__notes__)

    async def test_passes_a_refusal_on(self, validator: ConstraintValidator):
        with pytest.raises(ConstraintRefused) as refused:
            await validator.run_limited(refuse)
        assert (refused.value.pointer, refused.value.reason) == ("/a", "because")

    @pytest.mark.parametrize("name", ["spin", "allocate", "recurse", "crash"])
    async def test_what_overruns_a_limit_is_refused(self, validator: ConstraintValidator, name: str):
        with pytest.raises(ConstraintRefused):
            await validator.run_limited(globals()[name])
        assert await validator.run_limited(add, 1, 1) == 2

    async def test_what_waits_without_computing_is_no_fault_of_the_input(self, settings: Settings, model_path: Path):
        short = limits(settings, timeout_s=0.5)
        async with ConstraintValidator(short, model_path / "tokenizer.json") as validator:
            await validator.check(Constraint.of("regex", "a"))
            with pytest.raises(Unavailable, match="no answer within"):
                await validator.run_limited(time.sleep, 30)


class TestTokenizer:
    def test_ends_where_the_model_says(self, model_path: Path):
        loaded = load_tokenizer(model_path / "tokenizer.json")
        assert loaded.decode_bytes(loaded.tokenize_str("<|im_end|>", parse_special=True)) == b"<|im_end|>"
        assert loaded.tokenize_str("<|im_end|>", parse_special=True) == [loaded.eos_token]

    def test_without_an_end_it_is_refused(self, model_path: Path, tmp_path: Path):
        (tmp_path / "tokenizer.json").write_text((model_path / "tokenizer.json").read_text())
        with pytest.raises(ValueError, match="which token ends a text"):
            load_tokenizer(tmp_path / "tokenizer.json")
        (tmp_path / "config.json").write_text('{"eos_token_id": 2}')
        assert load_tokenizer(tmp_path / "tokenizer.json").eos_token == 2
        (tmp_path / "tokenizer_config.json").write_text('{"eos_token": {"content": "<nope>"}}')
        with pytest.raises(ValueError, match="<nope>"):
            load_tokenizer(tmp_path / "tokenizer.json")


def add(a: int, b: int) -> int:
    return a + b


def divide(a: int, b: int) -> float:
    return a / b


def vocabulary_size() -> int:
    size: int = tokenizer().vocab_size
    return size


def refuse() -> None:
    raise ConstraintRefused("/a", "because")


def spin() -> None:
    while True:
        pass


def allocate() -> int:
    return len(bytearray(2**34))


def recurse() -> None:
    recurse()


def crash() -> None:
    signal.raise_signal(signal.SIGSEGV)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
