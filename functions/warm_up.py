"""What an engine does once before it says that it is ready: each of these has a first time that costs seconds."""

from collections.abc import Iterator, Sequence

from functions.generation import Constraint, GenerationRequest, Message, Sampling
from infra.engine_settings import WarmUp

_TOKENS = 8


def warm_up_requests(wanted: Sequence[WarmUp]) -> Iterator[GenerationRequest]:
    """As requests, one after another. Several candidates are drawn, a single one is the likeliest."""
    for number, one in enumerate(wanted):
        greedy = Sampling(max_tokens=_TOKENS, temperature=0.0, logprobs=one.logprobs or None)
        drawn = greedy.model_copy(update={"temperature": 1.0, "top_p": 0.9, "n": one.n})
        yield GenerationRequest(
            id=f"warm-up-{number}",
            messages=(Message(role="user", content="Say a word."),),
            sampling=greedy if one.n == 1 else drawn,
            constraint=None if one.kind is None else Constraint.of(one.kind, one.source),
        )
