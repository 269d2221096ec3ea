"""Tokens that a grammar leaves no choice about are not decoded one by one: they are proposed, and tried in one step.

vLLM asks its scheduler for the tokens that a request is to try beyond the next one (speculative decoding). Here they
come from the request's own matcher (llguidance: `compute_ff_tokens`), where it knows what has to follow: names of
properties, quotes, separators. The model reads them all in one pass and accepts each with the probability that it would
have written it with under the mask, so the distribution of texts is the same as without.

Imported by an engine core's process alone, by name (`speculative_config`, `scheduler_cls`): vLLM comes with it.
"""

from typing import Any

from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.executor.multiproc_executor import MultiprocExecutor
from vllm.v1.outputs import DraftTokenIds

from functions import draft_sampling

SWITCH = "forced_tokens"
"""False in a request's `extra_args` has each of its tokens decoded: what the gain is measured against."""


class NothingGuessed:
    """A proposer of vLLM's: nobody guesses anything here; what is known is known to the scheduler."""

    def __init__(self, _config: Any) -> None:
        draft_sampling.correct()

    def propose(self, sampled_token_ids: list[list[int]], *_: Any, **__: Any) -> list[list[int]]:
        """No draft for any request of the batch."""
        return [[] for _ in sampled_token_ids]

    def load_model(self, _target: Any) -> None:
        """There is none to load."""


class WithoutDrafts(MultiprocExecutor):  # type: ignore[misc] # as below
    """vLLM's worker in a process of its own, which is not asked after each step for drafts that it never has."""

    def take_draft_token_ids(self) -> None:
        """None, without a message to the worker and back."""
        return


class ForcedTokenScheduler(Scheduler):  # type: ignore[misc] # vLLM ships no types that a strict checker takes
    """vLLM's scheduler; its drafts are what the grammars force."""

    def update_from_output(self, scheduler_output: Any, model_runner_output: Any) -> Any:
        """Called after every step; the matchers have taken its tokens then."""
        outputs = super().update_from_output(scheduler_output, model_runner_output)
        for request_id in scheduler_output.num_scheduled_tokens:
            request = self.requests.get(request_id)
            if request is not None and not request.is_finished():
                request.spec_token_ids = [] if request.is_prefill_chunk else self._forced(request)
        return outputs

    def update_draft_token_ids(self, draft_token_ids: DraftTokenIds) -> None:
        """What the worker proposes is nothing."""

    def _forced(self, request: Any) -> list[int]:
        asked = request.sampling_params.extra_args or {}
        if not request.use_structured_output or not asked.get(SWITCH, True):
            return []
        matcher = request.structured_output_request.grammar.ll_matcher
        forced: list[int] = matcher.compute_ff_tokens()
        return forced[: self.num_spec_tokens]
