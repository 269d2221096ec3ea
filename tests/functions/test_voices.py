"""Which prompts the candidates of a request are written from, and what each is told."""

import pytest

from functions.candidates import Candidate
from functions.evidence import Check, Evidence
from functions.ir import IntermediateRepresentation
from functions.voices import SEVERAL_TEMPERATURE, turns, voices_for
from infra.settings import load_settings

PROMPTS = load_settings("local").prompts.model_copy(
    update={"implement": [{"implement.v3": 1.0}, {"implement.v2": 1.0}]}
)


def specification(*, source: str = "model") -> IntermediateRepresentation:
    """Out of words, as a model has summed them up; `source` says who answers for the summary."""
    return IntermediateRepresentation.model_validate(
        {
            "intent": {"summary": "Rotate it.", "rationale": "Turn a list by some places.\nturn([1, 2], 1) == [2, 1]"},
            "signature": {
                "name": "turn",
                "parameters": [{"name": "items", "type": "list[int]"}],
                "returns": "list[int]",
            },
            "examples": [
                {"arguments": ["[1, 2]", "1"], "result": "[2, 1]"},
                {"arguments": ["[]", "1"], "result": "[]"},
            ],
            "metadata": {"origin": "prompt", "provenance": {"/intent": {"source": source}}},
        }
    )


def test_one_prompt_gets_the_words_and_the_other_the_specification():
    words, whole = (voice.messages(None)[-1].content for voice in voices_for(specification(), ["No loops."], PROMPTS))
    assert words.endswith(
        "Turn a list by some places.\nturn([1, 2], 1) == [2, 1]\n"
        "The function: def turn(items: list[int]) -> list[int]\nturn([], 1) == []\nNo loops."
    ), "the summary is the model's own, and what the words say is not said twice"
    assert whole.startswith("Rotate it.\nAs it was asked for: Turn a list")


def test_an_example_is_left_out_only_where_the_words_have_it_as_it_is():
    ir = specification()
    more = ir.intent.model_copy(update={"rationale": "It gives turn([1, 2], 1) == [2, 1], and so on."})
    words = voices_for(ir.model_copy(update={"intent": more}), [], PROMPTS)[0].messages(None)[-1].content
    assert "\nturn([1, 2], 1) == [2, 1]\n" in words


def test_a_summary_that_somebody_answers_for_is_not_left_out():
    words = voices_for(specification(source="user"), [], PROMPTS)[0].messages(None)[-1].content
    assert "Rotate it.\nTurn a list by some places." in words


@pytest.mark.parametrize(
    ("candidates", "round_number", "expected"),
    [
        (1, 0, [("implement.v3", 0.0, 1)]),
        (2, 0, [("implement.v3", 0.0, 1), ("implement.v2", 0.0, 1)]),
        (
            5,
            0,
            [
                ("implement.v3", 0.0, 1),
                ("implement.v3", SEVERAL_TEMPERATURE, 2),
                ("implement.v2", 0.0, 1),
                ("implement.v2", SEVERAL_TEMPERATURE, 1),
            ],
        ),
        (1, 1, [("implement.v3", SEVERAL_TEMPERATURE, 1)]),
    ],
)
def test_candidates_are_dealt_out_in_turn(candidates: int, round_number: int, expected: list[tuple[str, float, int]]):
    voices = voices_for(specification(), [], PROMPTS)
    dealt = [(t.voice.prompt.version, t.temperature, t.number) for t in turns(voices, candidates, round_number)]
    assert dealt == expected


def test_half_of_a_repair_begins_anew():
    voices = voices_for(specification(), [], PROMPTS)
    dealt = [(turn.voice.prompt.version, turn.number, turn.told) for turn in turns(voices, 5, 1)]
    assert dealt == [
        ("implement.v3", 2, True),
        ("implement.v3", 1, False),
        ("implement.v2", 1, True),
        ("implement.v2", 1, False),
    ]
    assert [turn.told for turn in turns(voices, 1, 1)] == [True]
    assert not any(turn.told for turn in turns(voices, 5, 0)), "nothing has failed yet"


def test_each_prompt_is_told_how_an_attempt_failed():
    evidence = Evidence([Check("example 1", "failed", "turn([1, 2], 1) should give [2, 1], and gave [1, 2]")])
    failed = Candidate("def turn(items):\n    return items\n", "stop", evidence)
    for voice in voices_for(specification(), [], PROMPTS):
        told = voice.messages(failed)[-1].content
        assert "should give [2, 1], and gave [1, 2]" in told
        assert "    return items" in told
