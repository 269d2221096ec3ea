"""Constraints made to hurt, and their harmless neighbours: each with what must become of it, built when asked for."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from functions.generation import Constraint, ConstraintKind


@dataclass(frozen=True)
class Case:
    """`refused_at` is the expected pointer of a refusal; None expects a verdict, "*" a refusal with any pointer."""

    name: str
    kind: ConstraintKind
    build: Callable[[], str]
    refused_at: str | None

    @property
    def constraint(self) -> Constraint:
        return Constraint(kind=self.kind, source=self.build())


def corpus() -> list[Case]:
    cases = [*_chains(), *_counts(), *_schemas(), *_numbers(), *_documents(), *_regexes(), *_grammars(), *_tags()]
    cases += [*_choices(), *_empty(), *_accepted()]
    names = [case.name for case in cases]
    assert len(set(names)) == len(names), [name for name in names if names.count(name) > 1]
    return cases


def _schema(name: str, schema: Any, at: str | None) -> Case:
    return Case(f"schema: {name}", "json_schema", lambda: json.dumps(schema), at)


def _regex(name: str, pattern: str, at: str | None = "") -> Case:
    return Case(f"regex: {name}", "regex", lambda: pattern, at)


def _grammar(name: str, grammar: str, at: str | None = "") -> Case:
    return Case(f"grammar: {name}", "grammar", lambda: grammar, at)


def _choice(name: str, choices: Any, at: str | None) -> Case:
    return Case(f"choice: {name}", "choice", lambda: json.dumps(choices), at)


def _tag(name: str, tag: Any, at: str | None) -> Case:
    return Case(f"tag: {name}", "structural_tag", lambda: json.dumps(tag), at)


def chain(n: int, link: Callable[[str], Any]) -> dict[str, Any]:
    definitions = {f"d{i}": link(f"#/$defs/d{i + 1}") for i in range(n)}
    return {"$ref": "#/$defs/d0", "$defs": {**definitions, f"d{n}": {"type": "integer"}}}


def _rules(n: int, rule: str) -> str:
    return "start: r0\n" + "".join(rule.format(i=i, next=i + 1) for i in range(n)) + f'r{n}: "a"\n'


def _terminals(n: int) -> str:
    return "start: T0\n" + "".join(f'T{i}: "x" T{i + 1}?\n' for i in range(n)) + f'T{n}: "a"\n'


def _chains() -> Iterator[Case]:
    def plain(reference: str) -> Any:
        return {"$ref": reference}

    def property_(reference: str) -> Any:
        return {"type": "object", "properties": {"a": {"$ref": reference}}}

    def nested(reference: str) -> Any:
        return {"allOf": [{"anyOf": [property_(reference), {"type": "null"}]}]}

    for n, at in ((100, None), (900, "*"), (5_000, "*")):
        yield _schema(f"chain of {n} properties", chain(n, property_), at)
        yield _schema(f"chain of {n} combinations", chain(n, nested), at)
        yield _grammar(f"chain of {n} grouped rules", _rules(n, 'r{i}: (("x" (r{next} | "b"))?)\n'), at)
    for n, at in ((100, None), (5_000, "*")):
        yield _schema(f"chain of {n} references", chain(n, plain), at)
        yield _grammar(f"chain of {n} rules", _rules(n, "r{i}: r{next}\n"), at)
        yield _grammar(f"chain of {n} terminals", _terminals(n), at)
    for n, at in ((20, None), (63, None), (65, "*"), (2_000, "*"), (100_000, "*")):
        yield Case(f"json: {n} arrays deep", "json_schema", lambda n=n: '{"items":' * n + "{}" + "}" * n, at)
        yield Case(f"json: const {n} deep", "json_schema", lambda n=n: '{"const":' + "[" * n + "]" * n + "}", at)
    for n, at in ((10, None), (40, ""), (10_000, "")):
        yield _grammar(f"{n} groups deep", f'start: {"(" * n}"a"{")" * n}', at)
    for n, at in ((100, None), (5_000, ""), (100_000, "")):
        yield _regex(f"{n} groups deep", "(" * n + "a" + ")" * n, at)
    yield _regex("100,000 classes deep", "[" * 100_000 + "a" + "]" * 100_000)


def _counts() -> Iterator[Case]:
    for n in (100_000, 10**6, 4 * 10**6, 10**7, 10**18):
        for keyword in ("maxItems", "minItems", "multipleOf", "maxProperties", "minProperties"):
            yield _schema(f"{keyword} {n}", {keyword: n}, f"/{keyword}")
    yield _schema("multipleOf 999983", {"properties": {"a": {"multipleOf": 999_983}}}, "/properties/a/multipleOf")
    coprime = [{"type": "integer", "multipleOf": n} for n in (97, 89, 83)]
    yield _schema("common multiple of three primes", {"allOf": coprime}, "*")
    yield _schema("maxItems behind an odd name", {"$ref": "#/x", "x": {"maxItems": 10**7}}, "/x/maxItems")
    yield _schema("maxItems below additionalProperties", {"additionalProperties": {"maxItems": 10**7}}, "*")
    properties = {f"p{i}": {"type": "integer"} for i in range(2_000)}
    first = {f"p{i}": {"type": "integer"} for i in range(450)}
    yield _schema("450 optional properties", {"properties": first}, None)
    yield _schema("2,000 optional properties", {"properties": properties}, "/properties")
    yield _schema("2,000 required properties", {"properties": properties, "required": [*properties]}, None)
    open_halves = [{"properties": {f"{h}{i}": {}}, "additionalProperties": True} for h in "ab" for i in range(300)]
    yield _schema("600 optional properties in parts", {"allOf": open_halves}, "*")
    yield _schema("1,000 definitions", {"$defs": {f"d{i}": {} for i in range(1_000)}, "type": "null"}, "")
    yield _schema("2,001 alternatives", {"anyOf": [{"const": [i]} for i in range(2_001)]}, "/anyOf")
    yield _schema("3,000 objects in enum", {"enum": [{"a": i} for i in range(3_000)]}, "/enum")
    yield _schema("5,000 words in enum", {"enum": [f"w{i}" for i in range(5_000)]}, None)
    branches = [{"anyOf": [{"properties": {f"a{j}": {"const": i}}} for i in range(12)]} for j in range(12)]
    yield _schema("12 to the power of 12", {"allOf": branches}, "*")
    yield _choice("1,900", [f"c{i}" for i in range(1_900)], None)
    yield _choice("1,901", [f"c{i}" for i in range(1_901)], "")
    for n in (10_001, 10**6, 10**12, 10**30):
        yield _regex(f"a{{{n}}}", f"a{{{n}}}")
        yield _grammar(f"terminal {{{n}}}", f'start: A\nA: "a"{{{n}}}')
        yield _grammar(f"rule 1..{n}", f'start: a{{1,{n}}}\na: "a"')
        yield _grammar(f"rule ~1..{n}", f'start: a~1..{n}\na: "a"')
        yield _schema(f"pattern a{{0,{n}}}", {"pattern": f"^a{{0,{n}}}$"}, "/pattern")
    yield _regex("product of repetitions", "((a{100}){100}){100}")
    yield _grammar("repetition in a regex in a rule", "start: /(b{1,200}){1,200}/")
    yield _grammar("1,000 rules", _rules(1_000, 'r{i}: "x"\n'))
    yield _grammar("1,900 alternatives", "start: " + " | ".join(f'"k{i}"' for i in range(1_901)))
    yield _grammar(
        "2,500 alternatives in a terminal", "start: A\nA: " + " | ".join(f'"k{i}"' for i in range(2_500)), None
    )
    yield _grammar("schema within", 'start: %json {"type": "array", "maxItems": 10000000}')
    yield Case("schema: 300 KB", "json_schema", lambda: json.dumps({"description": "x" * 300_000}), "")


def _schemas() -> Iterator[Case]:
    unsupported = {
        "not": {},
        "if": {},
        "uniqueItems": True,
        "contains": {},
        "propertyNames": {},
        "dependentRequired": {"a": ["b"]},
        "unevaluatedProperties": False,
        "$dynamicRef": "#a",
    }
    for keyword, value in unsupported.items():
        yield _schema(f"{keyword}", {keyword: value}, f"/{keyword}")
        deep = {"type": "object", "properties": {"a": {"items": {keyword: value}}}}
        yield _schema(f"{keyword} below", deep, f"/properties/a/items/{keyword}")
    malformed = {
        "type": "nope",
        "required": 5,
        "properties": [],
        "minItems": "x",
        "minLength": -1,
        "pattern": 5,
        "format": "nope",
        "enum": 5,
        "allOf": {},
        "anyOf": 5,
        "$ref": 5,
        "maximum": "x",
        "prefixItems": 5,
    }
    for keyword, value in malformed.items():
        yield _schema(f"{keyword} is {value!r}", {keyword: value}, f"/{keyword}")
        yield _schema(f"{keyword} is {value!r} below", {"items": {keyword: value}}, f"/items/{keyword}")
    overlapping = [{"type": "string"}, {"type": "string", "minLength": 3}]
    yield _schema("overlapping oneOf", {"items": {"oneOf": overlapping}}, "/items/oneOf")
    yield _schema("remote reference", {"$ref": "https://example.com/a"}, "/$ref")
    yield _schema("unknown dialect", {"$schema": "https://example.com/a"}, "/$schema")
    yield _schema("dangling reference", {"properties": {"a~/b": {"$ref": "#/$defs/a"}}}, "/properties/a~0~1b/$ref")
    yield _schema("itself", {"$ref": "#"}, "")
    yield _schema("each other", chain(0, lambda _: {}) | {"$defs": {"d0": {"$ref": "#/$defs/d0"}}}, "")
    for pattern in ("(?=a)b", "(?!a)b", "(?<=a)b", r"(a)\1", r"\bfoo", "(", "[", "*", "a{2,1}", r"\p{Nope}"):
        yield _schema(f"pattern {pattern}", {"properties": {"a": {"pattern": pattern}}}, "/properties/a/pattern")
    yield _schema("incompatible types", {"allOf": [{"type": "string"}, {"type": "integer"}]}, "")
    yield _schema("empty range", {"type": "integer", "minimum": 5, "maximum": 3}, "*")
    yield _schema("empty range of items", {"type": "array", "minItems": 3, "maxItems": 1}, "/minItems")
    yield _schema("empty enum", {"enum": []}, "*")
    yield _schema("required but closed", {"required": ["z"], "properties": {"a": {}}, "type": "object"}, "/required")
    yield _schema("false", {"items": False, "minItems": 1, "type": "array"}, "*")
    yield _schema("lenient", {"x-guidance": {"lenient": True}, "not": {}}, "/x-guidance/lenient")
    yield _schema("x-guidance is a number", {"x-guidance": 5}, "/x-guidance")
    yield _schema("unknown option", {"x-guidance": {"nope": 5}}, "/x-guidance")
    yield _schema("maxLength beyond 32 bits", {"items": {"maxLength": 10**12}}, "/items/maxLength")
    yield _schema("bad pattern of names", {"patternProperties": {"(": {}}}, "/patternProperties")
    yield _schema("patterns of names that overlap", {"patternProperties": {"a": {}, "b": {}}}, "/patternProperties")


def _numbers() -> Iterator[Case]:
    for value in ("1e999", "-1e999", "NaN", "Infinity", "-Infinity", str(2**64), str(-(2**63) - 1), "9" * 5_000):
        for keyword in ("const", "minimum", "maxLength"):
            at = "*" if value[-1].isalpha() or len(value) > 1_000 else f"/{keyword}"
            text = f'{{"{keyword}": {value}}}'
            yield Case(f"number: {keyword} {value[:12]}", "json_schema", lambda text=text: text, at)
    yield _schema("multipleOf 0", {"type": "integer", "multipleOf": 0}, "/multipleOf")
    yield _schema("multipleOf 1e-9", {"type": "number", "multipleOf": 1e-9}, None)


def _documents() -> Iterator[Case]:
    bad = ("", " ", "null", "true", "5", '"x"', "[]", "{", '{"a":', "{'a': 1}", '{"a": 1,}', "\x00", "\ufeff{}", "{}{}")
    for text in bad:
        yield Case(f"json: {text!r}", "json_schema", lambda text=text: text, "")
    yield Case("json: lone surrogate", "json_schema", lambda: '{"const": "a\\ud800"}', "/const")
    yield Case(
        "json: lone surrogate in a name", "json_schema", lambda: '{"properties": {"\\udc00": {}}}', "/properties"
    )
    yield Case("json: duplicate names", "json_schema", lambda: '{"type": "string", "type": "integer"}', None)
    yield Case("json: surrogate pair", "json_schema", lambda: '{"const": "\\ud83d\\ude00"}', None)


def _regexes() -> Iterator[Case]:
    for pattern in (
        "(?=a)b",
        "(?!a)b",
        "(?<=a)b",
        "(?<!a)b",
        r"(a)\1",
        r"\bfoo",
        r"\Bfoo",
        "(",
        ")",
        "[",
        "*",
        "a{2,1}",
    ):
        yield _regex(f"{pattern}", pattern)
    for pattern in (r"\p{Nope}", "(?P<n", "a**b(", "[z-a]", "\\", "a\x00b", "(?i", r"\xZZ", "[^\\s\\S]", "a[^\\s\\S]b"):
        yield _regex(f"{pattern!r}", pattern)
    for pattern in (
        "(x+x+)+y",
        ".*a.{100}",
        "(a|b|ab){1,1000}(c|b){1000}",
        "(a*)*b",
        "(?i)straße",
        "[\U0001f600-\U0001f64f]+",
    ):
        yield _regex(f"{pattern}", pattern, None)
    for pattern in ("a/b", "\n", " ", r"\{99999999\}", "[{]1000000[}]", r"\p{L}{3}", "a{0,50}a{50}"):
        yield _regex(f"{pattern[:20]!r}", pattern, None)
    yield _regex("bytes that the model has no tokens for", "\U0006706c")
    yield _regex("256 KB", "a" * 300_000)
    yield _regex("a thousand letters, half of them optional", "a?" * 500 + "a" * 500)
    yield _regex("60,000 alternatives", "|".join(f"w{i}" for i in range(30_000)), None)


def _grammars() -> Iterator[Case]:
    bad = {
        "unknown rule": "start: x",
        "unknown special token": "start: <nope>",
        "special token out of range": "start: <[999999]>",
        "special token in a terminal": "start: A\nA: <|im_end|>",
        "unclosed group": 'start: ("a"',
        "unclosed string": 'start: "a',
        "unclosed regex": "start: /a",
        "look-ahead": "start: /(?=a)b/",
        "circular terminal": 'start: A\nA: A "b"',
        "and of rules": 'start: a & b\na: "a"\nb: "b"',
        "unknown subgrammar": "start: @nope",
        "numeric subgrammar": "start: @7",
        "unknown import": "%import nope.NOPE\nstart: NOPE",
        "bad json": "start: %json {",
        "unsupported schema": 'start: %json {"not": {}}',
        "deep json": 'start: %json {"a": ' + "[" * 5_000 + "]" * 5_000 + "}",
        "bad attribute": 'start[nope=1]: "a"',
        "template": 'start: a{b}\na{x}: x "a"',
        "no start": 'begin: "a"',
        "json": '{"grammars": [{"json_schema": {"maxItems": 10000000}}]}',
        "json with a start": '{"grammars": [{"json_schema": {}}]}\nstart: "a"',
        "gbnf without root": 'a ::= "b"',
        "gbnf with an unknown rule": 'root ::= "a" | b',
        "gbnf repetition": 'root ::= "a"{1000000}',
        "gbnf deep": "root ::= " + "(" * 5_000 + '"a"' + ")" * 5_000,
        "gbnf 1,000 rules": "root ::= r0\n" + "\n".join(f'r{i} ::= "a"' for i in range(1_000)),
        "dead end": 'start: "a" X | "b"\nX: /[^\\s\\S]/',
        "exponential lexer": "start: X\nX: /.*x.{12}/ & /.*y.{13}/ & /.*z.{14}/ & ~/.*w.{11}/",
        "words": "please write me a poem",
        "binary": "start: \x00\x01\x02",
    }
    for name, grammar in bad.items():
        yield _grammar(name, grammar)


def _tags() -> Iterator[Case]:
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}}
    good = {"begin": "<fn=a>", "schema": schema, "end": "</fn>"}

    def tag(triggers: Any = ("<fn=",), **changes: Any) -> Any:
        return {"triggers": triggers, "structures": [{**good, **changes}]}

    yield _tag("good", tag(), None)
    yield _tag("empty trigger", tag([""]), "/triggers/0")
    yield _tag("numeric trigger", tag([5]), "/triggers/0")
    yield _tag("no trigger", tag([]), "/triggers")
    yield _tag("triggers is text", tag("<fn="), "/triggers")
    yield _tag("numeric begin", tag(begin=5), "/structures/0/begin")
    yield _tag("numeric end", tag(end=5), "/structures/0/end")
    yield _tag("begin without trigger", tag(begin="nope"), "/structures/0/begin")
    yield _tag(
        "invalid schema", tag(schema={"properties": {"a": {"not": {}}}}), "/structures/0/schema/properties/a/not"
    )
    yield _tag("schema is a number", tag(schema=5), "/structures/0/schema")
    yield _tag("schema too large", tag(schema={"maxItems": 10**7}), "/structures/0/schema/maxItems")
    yield _tag("recursive schema", tag(schema={"$ref": "#"}), "/structures/0/schema")
    yield _tag("unknown special token", tag(["<nope>"], begin="<nope>"), "")
    yield _tag("no schema", {"triggers": ["<"], "structures": [{"begin": "<", "end": ">"}]}, "/structures/0")
    yield _tag("no structures", {"triggers": ["<"], "structures": []}, "/structures")
    yield _tag("structure is a number", {"triggers": ["<"], "structures": [5]}, "/structures/0")
    yield _tag("list", [], "")
    yield _tag("nothing", {}, "")
    yield Case("tag: deep", "structural_tag", lambda: '{"triggers": ' + "[" * 90 + "]" * 90 + "}", "*")
    yield Case("tag: not json", "structural_tag", lambda: "{", "")


def _choices() -> Iterator[Case]:
    yield _choice("none", [], "")
    yield _choice("object", {"a": "b"}, "")
    yield _choice("text", "abc", "")
    yield _choice("number", ["a", 2], "/1")
    yield _choice("null", [None], "/0")
    yield _choice("nested", ["a", ["b"]], "/1")
    yield _choice("lone surrogate", ["a", "\ud800"], "/1")
    yield _choice("only the empty text", [""], "")
    yield _choice("the empty text among others", ["", "a"], None)
    yield _choice(
        "signs", ['"', "\\", "\n", "\x00", "\x7f", "é", "\U0001f600", "a | b", "%json {}", "// c", "<x>"], None
    )
    yield _choice("1 KB", ["a" * 1_000, "b"], None)
    yield _choice("100 KB", ["a" * 100_000, "b"], "")


def _empty() -> Iterator[Case]:
    yield _regex("empty", "")
    yield _regex("only empty", "(a{0}|)")
    yield _regex("nothing", "[^\\x{0}-\\x{10FFFF}]")
    grammars = {
        "empty": "",
        "blank": " \n\t",
        "start is empty": "start:",
        "empty text": 'start: ""',
        "itself": "start: start",
        "each other": "start: a\na: b\nb: a",
        "empty intersection": "start: A\nA: /a/ & /b/",
        "zero repetitions": 'start: "a"~0',
        "end of text": "start: <|im_end|>",
    }
    for name, grammar in grammars.items():
        yield _grammar(f"nothing: {name}", grammar)


def _accepted() -> Iterator[Case]:
    person = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 40}, "age": {"type": "integer", "minimum": 0}},
        "required": ["name"],
    }
    node = {"type": "object", "properties": {"next": {"$ref": "#"}, "value": {"type": "integer"}}}
    yield _schema("person", person, None)
    yield _schema("linked list", node, None)
    yield _schema("anything", {}, None)
    yield _schema("array of 10,000", {"type": "array", "items": person, "maxItems": 10_000}, None)
    yield _schema("keywords as names", {"properties": {"maxItems": {"type": "integer"}, "not": {"type": "null"}}}, None)
    yield _schema("keywords in values", {"const": {"maxItems": 10**9, "not": 1}}, None)
    yield _schema("keywords in examples", {"type": "null", "examples": [{"maxItems": 10**9}]}, None)
    yield _schema("long text", {"type": "string", "maxLength": 2**31}, None)
    yield _schema("separators", {"x-guidance": {"item_separator": ", "}, **person}, None)
    yield Case("json_object", "json_object", lambda: "", None)
    yield _grammar("call", 'start: NAME "(" NAME ")"\nNAME: /[a-z]+/', None)
    yield _grammar("excluded words", "start: NAME\nNAME: /[a-z]+/ & ~/eval|exec/", None)
    yield _grammar("ambiguous", 'start: s\ns: s s s | s s | "a" |', None)
    yield _grammar("nested stars", 'start: (("a"*)*)* "b"', None)
    yield _grammar("gbnf", 'root ::= "a" [0-9]+', None)
    yield _grammar("json and text", 'start: "x" %json {"type": "integer"} // maxItems {100000}', None)
    yield _grammar("comment", 'start: "a" // b{9999999}\n# {9999999}', None)
    yield _grammar("string that looks like a repetition", 'start: "{9999999}"', None)
