"""What a request says exactly is read by a program, and what it does not say is not."""

import ast

import pytest

from functions.ir import Metadata, decoding_schema
from functions.modern_types import modern_type
from functions.specification_checks import checked_ir, schema_for
from functions.stated import stated


@pytest.mark.parametrize(
    ("words", "head"),
    [
        ("Add them.\ndef add(a: int, b: int = 0) -> int", "def add(a: int, b: int = 0) -> int"),
        ("`def add(a: int, b: int) -> int:`, please.", "def add(a: int, b: int) -> int"),
        ("def add(a: Optional[List[int]],\n        b: Dict[str, Any]) -> Tuple[int, ...]:", None),
        ("def helper(x: int) -> int: return x\ndef main(y: str) -> str: ...", "def main(y: str) -> str"),
        ("Write def twice(x) that doubles a number.", "def twice(x: object) -> object"),
        ("Definitely a deaf def.", None),
        ("def f(*args: int) -> int", None),
        ("def f(when: datetime) -> int", None),
        ("def f(a:", None),
    ],
)
def test_a_head_is_taken_as_it_is_written(words: str, head: str | None):
    found = stated(words).head
    if head is None and "Optional" in words:
        head = "def add(a: list[int] | None, b: dict[str, object]) -> tuple[int, ...]"
    assert (found.signature.to_source() if found else None) == head


def test_types_that_were_not_said_are_left_open():
    found = stated("def f(a, b: int)").head
    assert found is not None
    assert found.open_types == {"a", "returns"}


@pytest.mark.parametrize(
    ("said", "examples"),
    [
        ("f(1) == 2", [("1", "2")]),
        (">>> f(1)\n2\n>>> f(2)\n3", [("1", "2"), ("2", "3")]),
        ("f(1) should return 2, and f( 3 ) => 4.", [("1", "2"), ("3", "4")]),
        ("f(-1) raises ValueError", [("-1", "raises ValueError")]),
        ("f(0) should raise a TypeError", [("0", "raises TypeError")]),
        ("f(1) = x / 2, f(n) = 1, f(1, 2) == 3, f('a') == 1, f(1) == 'a', g(1) == 2", []),
        ("f(2) = 1 + f(1)", []),
        ("f(1) == 2; f(1) == 3", []),
    ],
)
def test_calls_with_what_they_give_are_examples(said: str, examples: list[tuple[str, str]]):
    found = stated(f"def f(x: int) -> int:\n{said}").examples
    assert [(e.arguments[0], f"raises {e.raises}" if e.raises else e.result) for e in found] == examples


def test_what_was_said_is_not_asked_for_and_stands():
    said = stated(
        "Say how often a word is in a text.\ndef times(word: str, text: str) -> int\ntimes('a', 'a b a') == 2"
    )
    properties = schema_for(said)["properties"]
    assert not {"name", "parameters", "returns"} & properties.keys()
    arguments = properties["examples"]["items"]["properties"]["arguments"]
    assert arguments["minItems"] == arguments["maxItems"] == 2
    written = {
        "summary": "Count a word.",
        "raises": [],
        "effects": [],
        "examples": [
            {"arguments": ["'a'", "'a b a'"], "result": "3"},
            {"arguments": ["'b'", "''"], "result": "0"},
        ],
        "assertions": ["result >= 0"],
        "questions": [],
    }
    ir = checked_ir(written, Metadata(), said, words="words")
    assert ir.signature.to_source() == "def times(word: str, text: str) -> int"
    assert [example.result for example in ir.examples] == ["2", "0"]
    assert ir.holes == []
    assert ir.intent.rationale == "words"
    assert ir.guesses == {"/intent", "/assertions/0", "/examples/1"}


def test_open_types_are_asked_for_and_many_examples_are_enough():
    said = stated("def f(a, b: int): ...\nf(1, 2) == 3\nf(2, 2) == 4\nf(3, 2) == 5")
    properties = schema_for(said)["properties"]
    assert "examples" not in properties
    assert [item["properties"]["name"] for item in properties["parameters"]["prefixItems"]] == [{"const": "a"}]
    written = {
        "summary": "Add.", "parameters": [{"name": "a", "type": "int"}], "returns": "int", "raises": [],
        "effects": [], "assertions": [], "questions": [],
    }  # fmt: skip
    ir = checked_ir(written, Metadata(), said)
    assert ir.signature.to_source() == "def f(a: int, b: int) -> int"
    assert "/signature" in ir.guesses


def test_without_anything_stated_all_is_asked_for():
    assert schema_for(stated("Add two numbers.")) == decoding_schema()


def test_types_of_typing_are_written_as_today():
    def modern(text: str) -> str:
        return modern_type(ast.parse(text, mode="eval").body)

    assert modern("typing.Union[int, None, List[str]]") == "int | None | list[str]"
    assert modern("Callable[[int], Decimal]") == "Callable[[int], Decimal]"


def test_of_examples_that_clash_it_is_asked_which_is_meant():
    said = stated("Double it.\ndef double(x: int) -> int\n>>> double(2)\n4\n>>> double(2)\n5\n>>> double(3)\n6")
    assert [example.arguments for example in said.examples] == [["3"]]
    written = {"summary": "Double it.", "raises": [], "effects": [], "assertions": [], "questions": []}
    guess = [{"arguments": ["2"], "result": "7"}]
    ir = checked_ir({**written, "examples": guess}, Metadata(), said, words="Double it.")
    (hole,) = ir.holes
    assert hole.question == "Which is meant: double(2) == 4 or double(2) == 5?"
    assert hole.suggestions == ["double(2) == 4", "double(2) == 5"]
    assert [example.arguments for example in ir.examples] == [["3"]], "a guess of that call settles nothing"
