"""Whatever JSON is sent as a constraint set is compiled or refused: nothing crashes, nothing hangs."""

import contextlib
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.cache import FileStore
from functions.constraints.compilation import ConstraintCompiler
from functions.failures import ConstraintRefused, ConstraintsConflict
from functions.validation import ConstraintValidator

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
WORD = st.sampled_from(
    ["eval", "os.system", "a.b.c", "x", "", "é", ".", "..a", "a b", "__import__", "self", "match", "a" * 600]
)
WORDS = st.lists(WORD, max_size=4)
PATTERN = st.sampled_from(
    ["[a-z]+", "(", "^a$", "a{1000000}", r"\b", "(?=a)", "[^\\s\\S]", "", "a|b", "PascalCase", "\\", "/", "]"]
)
SYNTAX = st.sampled_from(["while", "Expr", "ListComp", "zork", "async", "FunctionDef", "Load", "any"])
TEXT = st.sampled_from(
    ["def f(a: int) -> int", "def f(", "x = 1", "", "f()", "async def g(*a, **k)", "class A", "def f(a, a)"]
)
SCHEMA = JSON | st.sampled_from(
    [{"type": "object"}, {"$ref": "#"}, {"enum": []}, {"maxItems": 10**7}, {"not": {}}, True, False]
)
GRAMMAR = st.sampled_from(
    ["start: start", "start: (", 'start: "a"', "start: X\nX: /[^\\s\\S]/", "", "x: y", 'start: "a" <x>']
)
RULES = st.one_of(
    JSON,
    st.fixed_dictionaries({"type": st.sampled_from(["forbid_names"]), "names": WORDS | JSON}),
    st.fixed_dictionaries({"type": st.sampled_from(["forbid_calls", "must_call"]), "calls": WORDS | JSON}),
    st.fixed_dictionaries({"type": st.sampled_from(["forbid_imports", "allow_imports"]), "modules": WORDS | JSON}),
    st.fixed_dictionaries({"type": st.sampled_from(["forbid_syntax", "allow_syntax"]), "syntax": st.lists(SYNTAX)}),
    st.fixed_dictionaries(
        {"type": st.just("naming")}, optional=dict.fromkeys(["functions", "variables", "classes"], PATTERN)
    ),
    st.fixed_dictionaries({"type": st.just("regex"), "pattern": PATTERN}),
    st.fixed_dictionaries({"type": st.just("signature"), "signature": TEXT}),
    st.fixed_dictionaries({"type": st.just("json_schema"), "schema": SCHEMA}),
    st.fixed_dictionaries({"type": st.just("lark"), "grammar": GRAMMAR}),
    st.fixed_dictionaries({"type": st.sampled_from(["max_nesting", "max_lines"]), "max": st.integers(-1, 200) | JSON}),
    st.fixed_dictionaries({"type": st.just("examples"), "good": st.lists(TEXT), "bad": st.lists(TEXT)}),
    st.fixed_dictionaries({"type": st.sampled_from(["require_docstring", "require_annotations"])}),
)
CONSTRAINT = st.one_of(
    JSON,
    st.fixed_dictionaries(
        {"rule": RULES},
        optional={
            "name": st.text(max_size=5) | JSON,
            "severity": st.sampled_from(["error", "hint", "loud"]) | JSON,
            "confidence": st.floats() | JSON,
            "priority": JSON,
            "description": JSON,
            "evidence": JSON,
        },
    ),
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(["pattern", "examples", "must_use", "must_not_use", "description"], JSON)
    ),
)
SETS = st.one_of(
    JSON, st.lists(CONSTRAINT, max_size=4), st.fixed_dictionaries({"constraints": st.lists(CONSTRAINT, max_size=4)})
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=SETS, language=st.sampled_from([None, "python", "typescript", "json", "text"]))
async def test_any_set_is_compiled_or_refused(
    validator: ConstraintValidator, store: FileStore, data: Any, language: Any
):
    compiler = ConstraintCompiler(validator, store)
    compiled = None
    with contextlib.suppress(ConstraintRefused, ConstraintsConflict):
        compiled = await compiler.compile_json(data, language, pointer="/constraints")
    if compiled is not None:
        assert len(compiled.report) >= (len(data) if isinstance(data, list) else len(data["constraints"]))
        assert await compiler.find(compiled.digest)
        assert len(await compiler.violations(["x = 1\n"], compiled)) == 1
