"""Random constraints: often well formed, often not, with bounds that are sometimes absurd."""

from typing import Any

from hypothesis import strategies as st

NAMES = st.sampled_from(["a", "b", "a/b", "~", "", "é", "items", "not", "maxItems"])
COUNTS = st.one_of(st.integers(-1, 12), st.sampled_from([10_000, 10**6, 10**12, 1.5, "x", None]))
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(10**6), 10**6), st.floats(), st.text(max_size=6))
PATTERNS = st.sampled_from(["^a$", "[a-z]+", "(", "a{2,9}", "a{9,99999}", r"\d{3}-\d", "(?=x)", ".*"])
KEYWORDS: dict[str, st.SearchStrategy[Any]] = {
    "type": st.one_of(st.sampled_from(["object", "array", "string", "integer", "number", "null", "nope"]), SCALARS),
    "minItems": COUNTS,
    "maxItems": COUNTS,
    "minLength": COUNTS,
    "maxLength": COUNTS,
    "minProperties": COUNTS,
    "minimum": SCALARS,
    "maximum": SCALARS,
    "multipleOf": COUNTS,
    "pattern": PATTERNS,
    "format": st.sampled_from(["date", "date-time", "uuid", "ipv4", "nope"]),
    "const": st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3), max_leaves=4),
    "enum": st.lists(SCALARS, max_size=4),
    "required": st.lists(NAMES, max_size=3),
    "$ref": st.sampled_from(["#", "#/$defs/a", "#/$defs/b", "#/properties/a", "https://example.com/x", "nope"]),
    "title": st.text(max_size=5),
    "x-guidance": st.sampled_from([{}, {"item_separator": ", "}, {"lenient": True}, {"nope": 1}, 5]),
    "uniqueItems": st.booleans(),
}


def _keywords(schemas: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    by_name = st.dictionaries(NAMES, schemas, max_size=3)
    listed = st.lists(schemas, max_size=3)
    below = {
        "properties": by_name,
        "$defs": st.fixed_dictionaries({"a": schemas, "b": schemas}),
        "patternProperties": st.dictionaries(PATTERNS, schemas, max_size=2),
        "additionalProperties": schemas,
        "items": schemas,
        "prefixItems": listed,
        "anyOf": listed,
        "oneOf": listed,
        "allOf": listed,
        "not": schemas,
    }
    return st.fixed_dictionaries({}, optional={**KEYWORDS, **below}).flatmap(_some)


def _some(schema: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """At most four of the keywords drawn: with all of them, nothing would ever pass."""
    names = st.lists(st.sampled_from(sorted(schema)), max_size=4, unique=True) if schema else st.just([])
    return names.map(lambda chosen: {name: schema[name] for name in chosen})


def json_schemas() -> st.SearchStrategy[dict[str, Any]]:
    leaves = st.one_of(st.booleans(), st.just({}), _keywords(st.just({"type": "integer"})))
    return _keywords(st.recursive(leaves, _keywords, max_leaves=6))


def regexes() -> st.SearchStrategy[str]:
    atoms = st.one_of(
        st.sampled_from(["a", "b", ".", r"\d", r"\w", "[a-z]", "[^a]", r"\b", "^", "$", "(?i)", r"\1", "é", "/"]),
        st.text(max_size=3),
    )
    quantifiers = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,9}", "{3,}", "{,4}", "{100000}", "{9,1}"])

    def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        parts = st.lists(st.tuples(inner, quantifiers).map("".join), min_size=1, max_size=3)
        return st.one_of(parts.map("".join), parts.map("|".join), parts.map(lambda p: f"({''.join(p)})"))

    return st.recursive(atoms, larger, max_leaves=12)


def grammars() -> st.SearchStrategy[str]:
    symbols = st.sampled_from(
        [
            "a",
            "b",
            "A",
            "B",
            "start",
            '"x"',
            '"yz"',
            "/[0-9]+/",
            "/(/",
            "<|im_end|>",
            "<nope>",
            '%json {"type": "null"}',
        ]
    )
    quantifiers = st.sampled_from(["", "", "*", "+", "?", "{2}", "{1,5}", "{0,99999}", "~2..3"])
    expressions = st.recursive(
        st.tuples(symbols, quantifiers).map("".join),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3).map(" ".join),
            st.lists(inner, min_size=1, max_size=3).map(" | ".join),
            st.lists(inner, min_size=1, max_size=2).map(" & ".join),
            inner.map(lambda expression: f"({expression})"),
            inner.map(lambda expression: f"~({expression})"),
        ),
        max_leaves=6,
    )
    rules = st.fixed_dictionaries(dict.fromkeys(("start", "a", "b", "A", "B"), expressions))
    return rules.map(lambda bodies: "\n".join(f"{name}: {body}" for name, body in bodies.items()))
