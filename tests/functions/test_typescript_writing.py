"""TypeScript out of specifications: their heads, the words, and what is told of a candidate that is never run."""

import pytest

from functions.constraints.typescript_signature import read_typescript_signature
from functions.failures import Refused
from functions.ir import IntermediateRepresentation
from functions.reversing.typescript_source import read_typescript
from functions.typescript_verification import NOT_EXECUTED, verify_typescript
from functions.typescript_writing import as_typescript, typescript_head, typescript_text


def specification(
    *parameters: tuple[str, str, str | None], returns: str = "int", origin: str = "prompt", **more: object
) -> IntermediateRepresentation:
    return IntermediateRepresentation.model_validate(
        {
            "intent": {"summary": "Count the words."},
            "signature": {
                "name": "count_words",
                "parameters": [{"name": name, "type": kind, "default": value} for name, kind, value in parameters],
                "returns": returns,
            },
            "metadata": {"language": "typescript", "origin": origin},
            **more,
        }
    )


def test_a_head_is_written_in_typescripts_types():
    ir = specification(
        ("text", "str", None),
        ("by", "dict[str, list[int | None]]", "{}"),
        ("pair", "tuple[int, str]", None),
        ("rest", "tuple[float, ...]", None),
        ("kind", "Literal['a', 'b']", "'a'"),
        ("day", "datetime.date | None", "None"),
        returns="None",
    )
    head = typescript_head(ir)
    assert head == (
        "function count_words(text: string, by: Record<string, (number | null)[]> = {}, pair: [number, string], "
        'rest: number[], kind: "a" | "b" = "a", day: Date | null = null): void'
    )
    assert read_typescript_signature(head).name == "count_words"


@pytest.mark.parametrize(
    "source",
    [
        "function f(a: number, b: string = 'x'): boolean {\n  return true;\n}",
        "function f(a: bigint, b?: string): Map<bigint, string[]> {\n  return new Map();\n}",
        "function f(a: readonly string[], b: [number, boolean] | null): Record<string, number> {\n  return {};\n}",
    ],
)
def test_a_head_that_was_read_off_typescript_comes_to_the_same_signature_again(source: str):
    read = read_typescript(source, None).signature
    ir = specification(origin="code", signature=read.model_dump(mode="json"))
    assert read_typescript(typescript_head(ir) + " { throw 0; }", None).signature == read


def test_a_type_that_there_is_not_is_refused_with_its_place():
    with pytest.raises(Refused) as refused:
        typescript_head(specification(("a", "Callable[[int], str]", None)))
    assert refused.value.pointer == "/ir/signature/parameters/0/type"


def test_words_become_names_and_errors_of_typescript_where_a_model_has_chosen_them():
    given = {
        "examples": [{"arguments": ["''"], "raises": "ValueError"}, {"arguments": ["'a b'"], "result": "2"}],
        "assertions": [{"expression": "result <= len(the_text)"}],
    }
    ir = specification(("the_text", "str", None), **given)
    guessed = ir.model_dump(mode="json")
    guessed["metadata"]["provenance"] = {"/signature": {"source": "model"}}
    changed = as_typescript(IntermediateRepresentation.model_validate(guessed))
    assert typescript_text(changed).splitlines() == [
        "Count the words.",
        "function countWords(theText: string): number",
        "Always: result <= len(theText)",
        'countWords("") throws RangeError',
        'countWords("a b") gives 2',
    ]
    assert as_typescript(ir).signature.name == "count_words"


def test_the_evidence_says_what_was_not_run():
    ir = specification(("text", "str", None), examples=[{"arguments": ["'a b'"], "result": "2"}])
    code = "function count_words(text: string): number {\n  return 1;\n}\n"
    evidence = verify_typescript(code, ir)
    assert {check.name: check.verdict for check in evidence.checks} == {
        "parses": "passed",
        "signature": "passed",
        "constraints": "passed",
        "types": "skipped",
        "example 1": "skipped",
    }
    assert evidence.checks[-1].detail == NOT_EXECUTED
    other = verify_typescript(code.replace("text: string", "text: number"), ir)
    assert [check.name for check in other.failures] == ["signature"]
    assert verify_typescript("function (", ir).checks[0].verdict == "failed"
