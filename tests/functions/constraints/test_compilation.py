"""A set to its artifact: compiled once, found again, its texts judged; what cannot hold together is proved so."""

from typing import Any

import pytest

from functions.cache import FileStore
from functions.constraints import compilation
from functions.constraints.compilation import Compiled, ConstraintCompiler
from functions.constraints.model import Language
from functions.constraints.reading import read_constraint_set
from functions.constraints.violations import LANGUAGE
from functions.failures import ConstraintRefused, ConstraintsConflict, NotFound, Refused
from functions.validation import ConstraintValidator


@pytest.fixture
def compiler(validator: ConstraintValidator, store: FileStore) -> ConstraintCompiler:
    return ConstraintCompiler(validator, store)


def stated(rule: dict[str, Any], name: str = "", **fields: Any) -> dict[str, Any]:
    return {"name": name or rule["type"], "severity": "error", **fields, "rule": rule}


def regex(pattern: str, name: str = "", **fields: Any) -> dict[str, Any]:
    return stated({"type": "regex", "pattern": pattern}, name, **fields)


def naming(name: str, **patterns: str) -> dict[str, Any]:
    return stated({"type": "naming", **patterns}, name)


NO_EVAL = stated({"type": "forbid_calls", "calls": ["eval"]})
SHORT = stated({"type": "max_lines", "max": 2})
DEEP = "".join(f"{'    ' * level}if x:\n" for level in range(20)) + " " * 80 + "x"
"""Python, but deeper than any code is let nest."""
WORD = regex("[a-z]+", "word")


def enforced(compiled: Compiled) -> dict[str, str]:
    return {row.name: row.enforced for row in compiled.report}


async def test_equal_sets_are_compiled_once(compiler: ConstraintCompiler):
    stages: list[tuple[str, int]] = []

    async def progress(stage: str, percent: int) -> None:
        stages.append((stage, percent))

    first = await compiler.compile_json([WORD], "text", progress=progress)
    assert stages == [("compiling", 30), ("verified", 90)]
    assert (first.cached, first.base, first.artifacts["regex"]) == (False, "regex", "[a-z]+")
    assert first.timing.total_s >= first.timing.build_s > 0
    again = await compiler.compile_json([WORD], "text", progress=progress)
    as_read = await compiler.compile(read_constraint_set([WORD], language="text"), "text", progress=progress)
    assert len(stages) == 2
    assert again.cached
    assert (as_read.cached, as_read.digest) == (True, first.digest)
    assert (await compiler.compile_json([WORD], "text", optimize=False)).digest != first.digest
    assert (await compiler.compile_json([WORD], "json")).digest != first.digest


async def test_a_set_is_known_by_its_digest_to_other_processes_too(
    compiler: ConstraintCompiler, validator: ConstraintValidator, store: FileStore
):
    compiled = await compiler.compile_json([SHORT], "typescript")
    assert (await compiler.find(compiled.digest)).cached
    found = await ConstraintCompiler(validator, store).find(compiled.digest)
    assert (found.cached, found.language, found.base) == (False, "typescript", "code")
    assert found.constraint == compiled.constraint
    for digest in ("0" * 64, "x"):
        with pytest.raises(NotFound, match="compile it again"):
            await compiler.find(digest)


async def test_of_many_sets_those_asked_for_last_are_remembered(
    compiler: ConstraintCompiler, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(compilation, "KEPT", 2)
    sets = [[regex("a"), SHORT], [regex("b"), SHORT], [regex("a"), SHORT], [regex("c"), SHORT]]
    cached = [(await compiler.compile_json(data, "text")).cached for data in sets]
    assert cached == [False, False, True, False]
    assert (await compiler.compile_json(sets[0], "text")).cached
    assert not (await compiler.compile_json(sets[1], "text")).cached
    assert len(compiler._read) == 2


async def test_a_request_gives_a_set_or_a_digest_or_nothing(compiler: ConstraintCompiler):
    compiled = await compiler.compile_json([WORD])
    assert await compiler.given(None, None) is None
    by_digest = await compiler.given(None, compiled.digest)
    assert by_digest is not None
    assert by_digest.digest == compiled.digest
    by_set = await compiler.given([WORD], None, language="text")
    assert by_set is not None
    assert by_set.language == "text"
    with pytest.raises(Refused) as refused:
        await compiler.given([WORD], compiled.digest)
    assert refused.value.pointer == "/digest"
    with pytest.raises(ConstraintRefused) as wrong:
        await compiler.given([{"rule": {}}], None)
    assert wrong.value.pointer == "/constraints/0/rule"


@pytest.mark.parametrize(
    ("data", "asked", "language", "base"),
    [
        ({"constraints": [SHORT], "language": "typescript"}, None, "typescript", "code"),
        ({"constraints": [SHORT], "language": "typescript"}, "python", "python", "code"),
        ({"constraints": [SHORT], "language": "text"}, None, "text", "nothing"),
        ([SHORT], None, "text", "nothing"),
        ([NO_EVAL, SHORT], None, "python", "code"),
        ([SHORT], "python", "python", "code"),
    ],
)
async def test_a_text_is_in_the_language_that_is_named_or_that_its_rules_need(
    compiler: ConstraintCompiler, data: Any, asked: Language | None, language: Language, base: str
):
    compiled = await compiler.compile_json(data, asked)
    assert (compiled.language, compiled.base) == (language, base)
    assert compiled.has_checks
    assert (compiled.constraint is None) == (base == "nothing")


async def test_an_unknown_language_is_refused_with_its_place(compiler: ConstraintCompiler):
    with pytest.raises(ConstraintRefused) as refused:
        await compiler.compile_json({"constraints": [], "language": "cobol"}, pointer="/sets/0")
    assert refused.value.pointer == "/sets/0/language"


async def test_what_a_compilation_tells_of_itself(compiler: ConstraintCompiler):
    prose = {"name": "prose", "severity": "hint", "description": "keep it simple"}
    inferred = {"name": "inferred", "severity": "hint", "description": "do not use eval"}
    given = {**NO_EVAL, "description": "no eval, please"}
    compiled = await compiler.compile_json({"constraints": [prose, inferred, given], "colour": "red"})
    assert compiled.prompt == ("keep it simple", "do not use eval")
    assert enforced(compiled) == {"prose": "prompt", "inferred": "decoding", "forbid_calls": "decoding"}
    assert not compiled.has_checks
    assert any("colour" in warning for warning in compiled.warnings)
    assert compiled.constraint is not None
    assert compiled.sizes["bytes"] == len(compiled.constraint.source.encode())
    assert compiled.sizes["states"] > 100
    free = await compiler.compile_json([prose])
    assert (free.sizes, free.artifacts, free.timing.build_s) == ({"bytes": 0, "states": 0}, {}, 0)


async def test_texts_are_judged_one_by_one(compiler: ConstraintCompiler):
    compiled = await compiler.compile_json([NO_EVAL, SHORT])
    found = await compiler.violations(["x = 1", "eval(1)", "x\ny\nz", "x = ("], compiled)
    assert [[violation.constraint for violation in each] for each in found] == [
        [], ["forbid_calls"], ["max_lines"], [LANGUAGE]
    ]  # fmt: skip


async def test_a_text_that_exceeds_its_limits_breaks_that(
    compiler: ConstraintCompiler, validator: ConstraintValidator, monkeypatch: pytest.MonkeyPatch
):
    compiled = await compiler.compile_json([NO_EVAL])

    async def refuses(*_: Any) -> Any:
        raise ConstraintRefused("", "it takes more memory than a constraint may")

    monkeypatch.setattr(validator, "run_limited", refuses)
    ((violation,),) = await compiler.violations(["x"], compiled)
    assert violation == (LANGUAGE, 1, 1, "it cannot be checked: it takes more memory than a constraint may")


@pytest.mark.parametrize(
    ("constraints", "proof"),
    [
        ([WORD, SHORT, regex("[A-Z]+", "upper"), NO_EVAL], None),
        ([WORD, SHORT, regex("[A-Z]+", "upper")], {"word", "upper"}),
        ([regex("[ab]+", "x"), SHORT, regex("[bc]+", "y"), regex("[ac]+", "z")], {"x", "y", "z"}),
        ([naming("a", classes="[a-z]+"), SHORT, naming("b", classes="[A-Z]+")], {"a", "b"}),
        ([naming("a", classes="[a-m]+"), naming("b", classes="[m-z]+")], None),
        ([naming("none", variables="[0-9]+"), SHORT], {"none"}),
        ([stated({"type": "forbid_syntax", "syntax": ["Expr"]}), NO_EVAL], None),
        ([stated({"type": "examples", "good": ["x = eval(1)"]}), NO_EVAL, SHORT], {"examples", "forbid_calls"}),
        ([stated({"type": "examples", "good": ["x=1"], "bad": ["eval(x)"]}), NO_EVAL], None),
        ([stated({"type": "examples", "bad": ["x = 1"]}), NO_EVAL], {"examples"}),
        ([stated({"type": "examples", "good": ["AB"]}), WORD], {"examples", "word"}),
        ([stated({"type": "examples", "good": [DEEP]}), NO_EVAL], {"examples"}),
        ([stated({"type": "examples", "good": ["xy"]}), stated({"type": "must_contain", "text": "y"})], None),
        ([stated({"type": "examples", "good": ["def f():\n  x = (1,\n 2)"]}), NO_EVAL], None),
    ],
)
async def test_what_cannot_hold_together_is_proved_by_those_that_exclude_each_other(
    compiler: ConstraintCompiler, constraints: list[dict[str, Any]], proof: set[str] | None
):
    if proof is None:
        assert len((await compiler.compile_json(constraints)).report) == len(constraints)
        return
    with pytest.raises(ConstraintsConflict) as conflict:
        await compiler.compile_json(constraints)
    assert set(conflict.value.details["conflict"]) == proof
    assert conflict.value.reason


@pytest.mark.parametrize(
    ("one", "other", "weaker"),
    [
        ({"severity": "warning"}, {"severity": "hint"}, "other"),
        ({"severity": "hint"}, {"severity": "warning"}, "one"),
        ({"severity": "hint"}, {"severity": "error"}, "one"),
        ({"severity": "info", "priority": 1}, {"severity": "info", "priority": 2}, "one"),
        ({"severity": "info", "confidence": 0.9}, {"severity": "info", "confidence": 0.5}, "other"),
    ],
)
async def test_the_weaker_of_two_gives_way(
    compiler: ConstraintCompiler, one: dict[str, Any], other: dict[str, Any], weaker: str
):
    compiled = await compiler.compile_json([regex("[a-z]+", "one", **one), regex("[A-Z]+", "other", **other), SHORT])
    stronger = {"one": "other", "other": "one"}[weaker]
    assert enforced(compiled) == {weaker: "dropped", stronger: "decoding", "max_lines": "after"}
    assert f"it gave way to {stronger}: " in next(row.why for row in compiled.report if row.name == weaker)
    assert set(compiled.requirements.regexes.values()) == {stronger}


async def test_one_that_nothing_satisfies_gives_way_to_nobody(compiler: ConstraintCompiler):
    compiled = await compiler.compile_json([naming("none", variables="[0-9]+") | {"severity": "hint"}, SHORT])
    (row,) = [row for row in compiled.report if row.name == "none"]
    assert row.enforced == "dropped"
    assert row.why.startswith("no name can match")


async def test_no_more_give_way_than_are_worth_it(compiler: ConstraintCompiler, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(compilation, "MOST_RESOLUTIONS", 1)
    hints = [regex(pattern, pattern, severity="hint") for pattern in ("a", "b", "c")]
    with pytest.raises(ConstraintsConflict):
        await compiler.compile_json(hints)
    assert enforced(await compiler.compile_json(hints[:2]))["a"] == "dropped"


@pytest.mark.parametrize(
    ("rule", "pointer"),
    [
        ({"type": "lark", "grammar": "start: ("}, "/0/rule/grammar"),
        ({"type": "regex", "pattern": "("}, "/0/rule/pattern"),
        ({"type": "json_schema", "schema": {"items": {"not": {}}}}, "/0/rule/schema/items/not"),
        ({"type": "json_schema", "schema": {"anyOf": [{}, {"not": {}}]}}, "/0/rule/schema/anyOf/1/not"),
        ({"type": "json_schema", "schema": {"properties": {"/~": {"not": {}}}}}, "/0/rule/schema/properties/~1~0/not"),
        ({"type": "naming", "functions": r"\p{Nonsense}"}, None),
    ],
)  # fmt: skip
async def test_what_the_decoder_would_not_take_is_refused_where_it_was_given(
    compiler: ConstraintCompiler, rule: dict[str, Any], pointer: str | None
):
    with pytest.raises(ConstraintRefused) as refused:
        await compiler.compile_json([stated(rule)])
    assert pointer is None or refused.value.pointer == pointer
