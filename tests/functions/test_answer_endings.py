"""However a text is cut into pieces, what is left of it is the text without its ending."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from functions.answer_endings import Ending
from functions.generation import CandidateFinished, Delta, FinishReason

CLOSING = "\n```"
TEXTS = st.text(alphabet="`\na", max_size=12)


def left(pieces: list[str], closing: str = CLOSING, reason: FinishReason = "stop") -> list[Delta | CandidateFinished]:
    """Of two candidates that say the same side by side: what is told, piece by piece."""
    ending = Ending(closing)

    def said(piece: str) -> Iterator[Delta | CandidateFinished]:
        yield from (Delta(index=index, text=piece, tokens=1) for index in (0, 1))

    told = [event for piece in pieces for event in ending.taken_off(said(piece))]
    finished = (CandidateFinished(index=index, finish_reason=reason) for index in (0, 1))
    return [*told, *ending.taken_off(finished)]


def text(events: list[Delta | CandidateFinished], index: int) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta) and event.index == index)


@given(st.lists(TEXTS, max_size=6), st.booleans())
def test_the_closing_is_taken_off_the_end_and_nothing_else(pieces: list[str], is_closed: bool):  # noqa: FBT001 - drawn
    whole = "".join(pieces) + CLOSING * is_closed
    told = left([*pieces, *(CLOSING * is_closed)])
    assert text(told, 0) == text(told, 1) == whole.removesuffix(CLOSING)
    assert sum(event.tokens for event in told if isinstance(event, Delta)) == 2 * (len(pieces) + 4 * is_closed)


@given(st.lists(TEXTS, max_size=6))
def test_a_text_that_was_cut_keeps_all_that_was_written(pieces: list[str]):
    assert text(left([*pieces, CLOSING], reason="length"), 0) == "".join(pieces) + CLOSING


def test_what_cannot_be_the_closing_is_told_at_once():
    told = left(["a\n", "b", "\n``", "`"])
    assert [event.text for event in told if isinstance(event, Delta) and event.index == 0] == ["a", "\nb", "", ""]
    assert left(["a\n```"], closing="")[0] == Delta(text="a\n```", tokens=1)
