"""What vLLM answers, in our own types: its `RequestOutput`s, which ship no types that a strict checker takes."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from functions.failures import EngineUnavailable
from functions.generation import CandidateFinished, Delta, FinishReason, TokenLogprob


class Phases(NamedTuple):
    """When a generation was queued, taken into the batch, and wrote: seconds of the monotonic clock; 0 is not yet."""

    queued: float
    scheduled: float
    first_token: float
    last_token: float


def phases(output: Any) -> Phases | None:
    """What vLLM knows by now of one of the candidates; None where it counts nothing."""
    metrics = output.metrics
    if metrics is None:
        return None
    return Phases(metrics.queued_ts, metrics.scheduled_ts, metrics.first_token_ts, metrics.last_token_ts)


def events(output: Any, logprobs: int | None) -> Iterator[Delta | CandidateFinished]:
    """What one `RequestOutput` says, candidate by candidate. Raises `EngineUnavailable`."""
    for candidate in output.outputs:
        if candidate.token_ids:
            yield Delta(
                index=candidate.index,
                text=candidate.text,
                tokens=len(candidate.token_ids),
                logprobs=() if logprobs is None else tuple(_logprobs(candidate, logprobs)),
            )
        if candidate.finish_reason is not None:
            yield CandidateFinished(index=candidate.index, finish_reason=_finish_reason(candidate.finish_reason))


def _logprobs(candidate: Any, wanted: int) -> Iterator[TokenLogprob]:
    """Each sampled token, and the `wanted` best at its place (by rank, from 1): vLLM gives both in one."""
    for token_id, position in zip(candidate.token_ids, candidate.logprobs, strict=True):
        best = sorted((entry for entry in position.values() if entry.rank <= wanted), key=lambda entry: entry.rank)
        chosen = position[token_id]
        yield TokenLogprob(
            token=chosen.decoded_token,
            logprob=chosen.logprob,
            top=tuple((entry.decoded_token, entry.logprob) for entry in best),
        )


def _finish_reason(reason: str) -> FinishReason:
    match reason:
        case "stop" | "length" | "abort":
            return reason
        case _:
            # vLLM's "error": the matcher gave up or a part of the engine did. What was written is no answer.
            raise EngineUnavailable("the engine", f"the generation broke off ({reason})", retry_after_s=1.0)
