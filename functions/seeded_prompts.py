"""Requests with a seed whose prompt is read in several steps, on a CPU: vLLM 0.32 ends with them.

vLLM draws a token in every step for every request of the batch, for one whose prompt it has not read to its end too.
That token is thrown away, and the request's own generator is then set back by an offset, which a CPU's generator does
not have: "CPU Generator does not use offset", and the engine's process has ended. A prompt longer than a step, or among
others, and a `seed` were enough. Here such a request has no generator while its draws are thrown away, so that nothing
has to be set back; what it draws later is what its seed says.
"""

from collections.abc import Callable
from typing import Any


def keep_generators(runner: Any) -> None:
    """Correct vLLM's model runner, where it runs on a CPU; on a GPU generators have offsets."""
    from vllm.platforms import current_platform  # noqa: PLC0415 - this module is also read where there is no engine

    if current_platform.is_cpu():
        runner.sample_tokens = _without_unread(runner, runner.sample_tokens)


def _without_unread(runner: Any, sample_tokens: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def sampled(grammar_output: Any) -> Any:
        batch = runner.input_batch
        unread = runner.discard_request_mask.np[: batch.num_reqs].nonzero()[0].tolist()
        kept = {place: batch.generators.pop(place) for place in unread if place in batch.generators}
        try:
            return sample_tokens(grammar_output)
        finally:
            batch.generators.update(kept)

    return sampled
