"""What an answer's turn may end with without its being a part of the answer: taken off while the answer is streamed."""

from collections.abc import Iterable, Iterator

from functions.generation import CandidateFinished, Delta


class Ending:
    """Of the candidates of one generation. `closing`: the text, empty for none.

    What may become it is held back until it is known to be something else, or the end.
    """

    def __init__(self, closing: str) -> None:
        self._closing = closing
        self._held: dict[int, str] = {}

    def taken_off(self, events: Iterable[Delta | CandidateFinished]) -> Iterator[Delta | CandidateFinished]:
        """The events, whose texts together are each candidate's without its ending."""
        if not self._closing:
            yield from events
            return
        for event in events:
            match event:
                case Delta():
                    text = self._held.pop(event.index, "") + event.text
                    end = len(text) - self._possible(text)
                    self._held[event.index] = text[end:]
                    yield event.model_copy(update={"text": text[:end]})
                case CandidateFinished():
                    held = self._held.pop(event.index, "")
                    if held and (held != self._closing or event.finish_reason != "stop"):
                        yield Delta(index=event.index, text=held, tokens=0)
                    yield event

    def _possible(self, text: str) -> int:
        """How many characters at the end could be the beginning of the closing, or all of it."""
        longest = min(len(text), len(self._closing))
        return next((size for size in range(longest, 0, -1) if self._closing.startswith(text[-size:])), 0)
