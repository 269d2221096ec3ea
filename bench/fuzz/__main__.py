"""Inputs that Atheris makes up, for everything that reads a constraint: `python -m bench.fuzz [SECONDS]`.

An input's first character says what it is: `s` a constraint set as JSON, `j` a JSON schema, `r` a regex, `l` a Lark
grammar. Reading, composing and writing grammars run in this process, where Atheris sees which lines are reached; what
llguidance does runs in the validator's limited processes, as it does in the product. An input fails that raises
anything but a refusal, that is not answered, or that takes more than 2 s of this process's time.

`make fuzz` installs Atheris beside this project. What a run finds new joins .local/fuzz/corpus; `--keep` writes the
smallest of it to tests/hostile/fuzz_corpus.json, which the tests run.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["functions"]):
    from functions.cache import FileStore
    from functions.constraints.compilation import MODULES, ConstraintCompiler
    from functions.failures import ConstraintRefused, ConstraintsConflict, Refused, Unavailable
    from functions.generation import Constraint
    from functions.validation import ConstraintValidator
    from infra.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
TOKENIZER = ROOT / ".local" / "model" / "tokenizer.json"
CORPUS = ROOT / ".local" / "fuzz" / "corpus"
KEPT = ROOT / "tests" / "hostile" / "fuzz_corpus.json"
MOST_KEPT, LONGEST_KEPT = 80, 240
LONGEST = 2_000
MOST_S = 2.0
PATIENCE_S = 60.0
"""For an answer: the processes' own limit of processor time ends the work long before, unless the machine is busy."""
STARTS = 5
KINDS = {"j": "json_schema", "r": "regex", "l": "grammar"}


class Target:
    """One validator for all inputs, with an event loop of its own."""

    def __init__(self, directory: Path) -> None:
        limits = load_settings("local").validation.model_copy(update={"timeout_s": PATIENCE_S})
        self._loop = asyncio.new_event_loop()
        self._validator = ConstraintValidator(limits, TOKENIZER, modules=MODULES)
        self._compiler = ConstraintCompiler(self._validator, FileStore(directory, max_bytes=10**8))
        self._loop.run_until_complete(self._ready())

    def __call__(self, data: bytes) -> None:
        """One input. Raises what the product must not."""
        text = data.decode("utf-8", "replace")
        started = time.process_time()
        with contextlib.suppress(ConstraintRefused, ConstraintsConflict, Refused):
            self._loop.run_until_complete(self._answered(text[:1], text[1:]))
        taken = time.process_time() - started
        if taken > MOST_S:
            raise RuntimeError(f"it took {taken:.1f} s of this process")

    async def _ready(self) -> None:
        await self._validator.start()
        for _ in range(STARTS):
            with contextlib.suppress(Unavailable):  # a busy machine takes its time
                await self._validator.check(Constraint(kind="regex", source="a"))
                return

    def _answered(self, kind: str, text: str) -> Coroutine[Any, Any, object]:
        if kind in KINDS:
            return self._validator.check(Constraint(kind=KINDS[kind], source=text))  # type: ignore[arg-type]
        return self._compiled(text)

    async def _compiled(self, text: str) -> object:
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            return None
        return await self._compiler.compile_json(data, pointer="/constraints")


def seeds() -> None:
    """What is kept, as the files that libFuzzer starts from."""
    CORPUS.mkdir(parents=True, exist_ok=True)
    for number, text in enumerate(json.loads(KEPT.read_text()) if KEPT.exists() else []):
        (CORPUS / f"kept{number}").write_text(text)


def keep() -> None:
    """The shortest inputs of each kind, of those that reached something new."""
    texts = {
        text
        for file in CORPUS.iterdir()
        if len(text := file.read_bytes().decode("utf-8", "replace")) <= LONGEST_KEPT and text[:1] in {"s", *KINDS}
    }
    kept = [
        text
        for kind in ("s", *KINDS)
        for text in sorted((t for t in texts if t.startswith(kind)), key=lambda t: (len(t), t))[-MOST_KEPT // 4 :]
    ]
    KEPT.write_text(json.dumps(kept, indent=1, ensure_ascii=True) + "\n")
    print(f"{len(kept)} of {len(texts)} inputs kept")


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("seconds", nargs="?", type=int, default=60)
    arguments.add_argument("--keep", action="store_true")
    given = arguments.parse_args()
    if given.keep:
        return keep()
    seeds()
    options = [f"-max_total_time={given.seconds}", f"-max_len={LONGEST}", "-timeout=120", "-print_final_stats=1"]
    with tempfile.TemporaryDirectory() as directory:
        atheris.Setup(
            [sys.argv[0], str(CORPUS), f"-artifact_prefix={CORPUS.parent}/", *options], Target(Path(directory))
        )
        atheris.Fuzz()
    return None


if __name__ == "__main__":
    main()
