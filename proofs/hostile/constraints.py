"""What hurts constrained decoding: facts.md's families (`tests.hostile.corpus`), by every way in, and made-up ones."""

import json
import random
from collections.abc import Iterator
from typing import Any

from proofs.hostile.inputs import ACCEPTED, Input, chat, generation, request
from tests.hostile.corpus import Case, corpus

WAYS_IN_CHAT = {"json_schema": "json", "grammar": "grammar", "regex": "regex", "choice": "choice"}
WRONG: dict[str, list[Any]] = {
    "type": ["nope", 5, [], ["string", 5], {}, ""],
    "properties": [5, [], "x", {"a": 5}, {"a": "x"}],
    "required": [5, "a", [5], {}],
    "items": [5, "x"],
    "prefixItems": [5, {}, [5]],
    "minItems": [-1, "1", 1.5, [], 10**9],
    "maxItems": [-1, "1", 1.5, {}, 10**9],
    "minLength": [-1, "1", 1.5, []],
    "maxLength": [-1, "1", 1.5, []],
    "minimum": ["1", [], {}],
    "maximum": ["1", [], {}],
    "multipleOf": ["1", 0, 10**9],
    "pattern": [5, "(", "(?=a)b", "a{1000000}"],
    "format": [5, "nope"],
    "enum": [5, {}, "x", []],
    "anyOf": [5, {}, "x", [5]],
    "allOf": [5, {}, "x", [5]],
    "oneOf": [5, {}, "x", [5]],
    "$ref": [5, "", "x", "#/nope", "https://example.com/x", "file:///etc/passwd"],
    "not": [{}],
    "if": [{}],
    "uniqueItems": [True],
    "contains": [{}],
    "propertyNames": [{}],
    "dependentRequired": [{"a": ["b"]}],
    "unevaluatedProperties": [False],
    "patternProperties": [5, {"(": {}}],
    "additionalProperties": [5, "x"],
}
"""Values that a keyword does not take, or that the decoder cannot hold to."""

SCHEMAS: list[Any] = [5, {"type": "nope"}, {"maxItems": 10**7}, {"not": {}}]
SETS: list[Any] = [5, "x", [], None, {}, [5], [[]], {"constraints": 5}, {"constraints": [5]}, {"constraints": [None]}]
RULES: list[Any] = [
    *(5, "x", [], {}, {"type": "nope"}, {"type": 5}, {"type": "regex"}, {"type": "regex", "pattern": 5}),
    *({"type": "regex", "pattern": p} for p in ("(", "(?=a)b", "a{1000000}", r"(a)\1", "((a{100}){100}){100}")),
    *({"type": "lark", "grammar": g} for g in ("start: x", "", "start: start", 'start: a{1,9999999}\na: "a"')),
    *({"type": "json_schema", "schema": s} for s in SCHEMAS),
    *({"type": "forbid_calls", "calls": c} for c in (5, [], ["a b"], [""], ["eval("], [5], ["a" * 1_000])),
    *({"type": "forbid_syntax", "syntax": c} for c in (["nope"], [], [5], "if")),
    *({"type": "signature", "signature": s} for s in ("", "def", "def f(", "def f(" * 200, "def f(a=eval('x')): x", 5)),
    *({"type": "max_nesting", "max": m} for m in (-1, 101, "3", 1.5, 10**30)),
    *({"type": "naming", "functions": p} for p in ("(", 5, "a{1000000}", "(?P<n")),
    *({"type": "forbid_regex", "pattern": p} for p in ("(", "a{1000000}", 5)),
    {"type": "forbid_calls", "calls": ["eval"], "extra": 1},
]
"""Rules that are none, or that ask for more than can be held."""


REFUSED_BEFORE = {"choice: signs"}
"""What the decoder could hold to, and a request cannot say: a NUL in it."""
MENDED_BEFORE = {"schema: required but closed"}
"""What the engine would refuse, and never sees: a request's schema has all that it requires among its properties."""


def inputs() -> Iterator[Input]:
    for case in corpus():
        yield from _by_both_ways(case)
    yield from _schemas()
    yield from _sets()
    yield from _good_ones(random.Random(1))


def _by_both_ways(case: Case) -> Iterator[Input]:
    constraint = case.constraint
    if constraint.kind == "json_object":
        return
    try:
        value = constraint.source if constraint.kind in ("grammar", "regex") else json.loads(constraint.source)
    except (ValueError, RecursionError):  # not JSON, which the request would not be either
        return
    if value is None:  # as good as not given
        return
    if not constraint.source.isascii() and "\ud800" in constraint.source:
        return
    refused = case.name in REFUSED_BEFORE or (case.refused_at is not None and case.name not in MENDED_BEFORE)
    expected = {400, 422, 413} if refused else ACCEPTED
    yield generation(case.name, "constraints", expected, **{constraint.kind: value})
    if constraint.kind in WAYS_IN_CHAT:
        asked = {WAYS_IN_CHAT[constraint.kind]: value}
        yield chat(
            f"chat: {case.name}",
            "constraints",
            {400, 413} if expected != ACCEPTED else ACCEPTED,
            structured_outputs=asked,
        )


def _schemas() -> Iterator[Input]:
    for keyword, values in WRONG.items():
        for value in values:
            for where, schema in {
                "here": {keyword: value},
                "in an object": {"type": "object", "properties": {"a": {keyword: value}}, "required": ["a"]},
            }.items():
                yield generation(f"{keyword} {value!r:.30} {where}", "schemas", 400, json_schema=schema)


def _sets() -> Iterator[Input]:
    for number, rule in enumerate(RULES):
        body = {"constraints": [{"name": "hostile", "rule": rule}]}
        name = f"rule {number}: {rule!r:.50}"
        yield request(f"compile {name}", "constraint sets", {200, 400, 409, 422}, path="/api/compile", body=body)
        yield generation(f"generate {name}", "constraint sets", {200, 400, 409, 422}, constraints=body)
    for value in SETS:
        yield request(f"set {value!r}", "constraint sets", {200, 400, 422}, path="/api/compile", body=value)
    many = {
        "constraints": [{"name": f"c{i}", "rule": {"type": "forbid_names", "names": [f"n{i}"]}} for i in range(20_001)]
    }
    yield request("20,001 constraints", "constraint sets", {400, 413, 422}, path="/api/compile", body=many)
    against = [{"type": "must_call", "calls": ["f"]}, {"type": "forbid_calls", "calls": ["f"]}]
    both = {"constraints": [{"name": str(n), "rule": rule, "severity": "error"} for n, rule in enumerate(against)]}
    yield request("against each other", "constraint sets", {400, 409}, path="/api/compile", body=both)
    yield request("300 sets", "constraint sets", {200, 422}, path="/api/compile/batch", body={"sets": [both] * 300})
    for digest in ("", "0", "x" * 10_000, "../../etc/passwd", "\u0000", "a" * 64, "' or 1=1"):
        yield generation(f"digest {digest[:20]!r}", "constraint sets", {400, 404, 422}, digest=digest)


def _good_ones(chance: random.Random) -> Iterator[Input]:
    """Schemas that must not be refused, however odd: who refuses everything is safe, and of no use."""
    for number in range(60):
        yield generation(f"good schema {number}", "good schemas", ACCEPTED, json_schema=_good(chance, 3))


def _good(chance: random.Random, depth: int) -> dict[str, Any]:
    kinds = ["string", "integer", "boolean", "null", "enum"] + ["object", "array"] * (depth > 0)
    match chance.choice(kinds):
        case "string":
            return {"type": "string", "maxLength": chance.randint(1, 40)}
        case "integer":
            return {"type": "integer", "minimum": chance.randint(-9, 0), "maximum": chance.randint(1, 99)}
        case "enum":
            return {"enum": chance.sample(["a", "é", "\U0001f600", 1, None, True, {"k": 1}], 3)}
        case "object":
            names = chance.sample(["a", "b b", "ü", '"', "\\", "", "$ref", "maxItems"], 3)
            return {"type": "object", "properties": {n: _good(chance, depth - 1) for n in names}, "required": names[:2]}
        case "array":
            return {"type": "array", "items": _good(chance, depth - 1), "maxItems": chance.randint(1, 20)}
        case kind:
            return {"type": kind}
