"""How calls of functions are read and counted; the cases themselves are fetched by the bench alone."""

import pytest

from bench.quality.function_calls import is_valid, read_call, summary, table

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ('{"name": "f", "arguments": {"n": 1}}', ("f", {"n": 1})),
        ('Sure:\n```json\n{"name": "f", "parameters": {"n": 1}}\n```', ("f", {"n": 1})),
        ('<tool_call>\n{"name": "f", "arguments": {}}\n', ("f", {})),
        ('{n} {"a": 1} {"name": "f"}', ("f", None)),
        ('{"name": "f", "arguments": {"n": 1', (None, None)),
        ("f(1)", (None, None)),
    ],
)
def test_the_first_call_of_a_text_is_read(text: str, call: tuple[str | None, object]):
    assert read_call(text) == call


def test_arguments_are_held_to_the_functions_schema():
    assert is_valid({"n": 1}, SCHEMA)
    assert not any(is_valid(other, SCHEMA) for other in ({"n": "1"}, {}, {"n": 1, "m": 2}, None, [1]))


def test_shares_are_of_all_cases_with_their_intervals():
    row = {"arm": "b", "category": "multiple", "finish_reason": "stop", "completion_tokens": 20, "seconds": 1.0}
    right = row | {"valid": True, "right_function": True, "right_arguments": True}
    cut = row | {"finish_reason": "length", "valid": False, "right_function": False, "right_arguments": False}
    both, _ = lines = summary([right, cut])
    assert (both["set"], both["cases"], both["cut"], both["right_arguments"]) == ("all", 2, 1, 1)
    assert both["right_arguments_interval"] == pytest.approx((0.095, 0.905), abs=1e-3)
    assert "| b constrained | 2 | all | 1 | 0 | 1/2 (9%-91%) |" in table(lines)
