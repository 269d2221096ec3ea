"""What a compilation is called by, and what code may grow to where nothing says otherwise."""

from functions.constraints.bounds import Bounds
from functions.constraints.conflicts import contradictions
from functions.constraints.digests import compilation_digest, packed, unpacked
from functions.constraints.python_grammar import python_grammar
from functions.constraints.reading import read_constraint_set
from functions.constraints.requirements import Requirements, composed

STATED = read_constraint_set([{"name": "it", "severity": "error", "rule": {"type": "regex", "pattern": "é+"}}])


def test_a_digest_is_of_the_set_and_of_all_that_compiles_it():
    names = {compilation_digest(content, tokenizer) for content in (b"x", b"y") for tokenizer in ("a", "b")}
    assert len(names) == 4
    assert compilation_digest(b"x", "a") in names
    assert all(len(name) == 64 for name in names)


def test_what_is_packed_is_unpacked_as_it_was():
    for is_code, optimize in ((True, False), (False, True)):
        content = packed(STATED, "text", is_code=is_code, optimize=optimize)
        stated, *options = unpacked(content)
        assert stated.model_dump() == STATED.model_dump()
        assert options == ["text", is_code, optimize]


def test_code_is_bounded_unless_it_is_said_otherwise():
    rules = Requirements()
    source = python_grammar(rules).source
    assert source == python_grammar(rules, Bounds(sizes=True)).source
    for other in (Bounds(sizes=False), Bounds(statements=None), Bounds(depth=Bounds().depth + 1)):
        assert source != python_grammar(rules, other).source


def test_a_typescript_head_that_breaks_a_rule_excludes_it():
    rules = [
        {"name": "head", "rule": {"type": "signature", "signature": "f(a: number): number"}},
        {"name": "no a", "rule": {"type": "forbid_names", "names": ["a"]}},
    ]
    requirements = composed(read_constraint_set(rules, language="typescript").constraints, "typescript")
    assert [set(found.constraints) for found in contradictions(requirements, "typescript")] == [{"head", "no a"}]
    allowed = composed(read_constraint_set(rules[:1], language="typescript").constraints, "typescript")
    assert list(contradictions(allowed, "typescript")) == []
