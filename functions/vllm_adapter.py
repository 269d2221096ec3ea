"""The narrow boundary to vLLM: how it is started, asked, and what it answers, in our own types.

vLLM is imported when an engine starts, not when this module is: importing it takes seconds and a gigabyte.
"""

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from functions.failures import EngineUnavailable, PromptTooLong
from functions.generation import Constraint, Delta, FinishReason, GenerationRequest, Sampling, TokenLogprob
from infra.settings import EngineSettings

Core = Any  # vllm.v1.engine.async_llm.AsyncLLM, which ships no types that a strict checker takes


def start_core(settings: EngineSettings, model_path: Path) -> Core:
    """An `AsyncLLM`, whose engine core runs in a process of its own. Must be called with the event loop running."""
    from vllm.engine.arg_utils import AsyncEngineArgs  # noqa: PLC0415 - see the module's docstring
    from vllm.v1.engine.async_llm import AsyncLLM  # noqa: PLC0415

    logging.getLogger("vllm").setLevel(logging.WARNING)
    return AsyncLLM.from_engine_args(
        AsyncEngineArgs(
            model=str(model_path),
            served_model_name=settings.model,
            dtype=settings.dtype,
            max_model_len=settings.max_model_len,
            max_num_seqs=settings.max_num_seqs,
            gpu_memory_utilization=settings.gpu_memory_utilization,
            enforce_eager=settings.enforce_eager,
            enable_prefix_caching=True,
            enable_sleep_mode=settings.sleep_level > 0,
            disable_log_stats=False,
            # The same two switches as in validation: what was tried there is what is compiled here.
            structured_outputs_config={
                "backend": "guidance",
                "disable_any_whitespace": True,
                "disable_additional_properties": True,
            },
        )
    )


def prompt_token_ids(core: Core, request: GenerationRequest, max_model_len: int) -> list[int]:
    """The prompt as the model reads it. Raises `PromptTooLong` when it leaves no room for a single token."""
    tokenizer = core.get_tokenizer()
    if request.raw:
        text = "".join(message.content for message in request.messages)
        ids = tokenizer.encode(text)
    else:
        turns = [message.model_dump() for message in request.messages]
        encoded = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=True)
        ids = encoded if isinstance(encoded, list) else encoded["input_ids"]
    if len(ids) >= max_model_len:
        raise PromptTooLong(tokens=len(ids), limit=max_model_len - 1)
    return list(ids)


def sampling_params(sampling: Sampling, constraint: Constraint | None, room: int) -> Any:
    """Give vLLM's `SamplingParams`. `room` is what the prompt leaves of the context: vLLM accepts more, silently."""
    from vllm.sampling_params import RequestOutputKind, SamplingParams  # noqa: PLC0415 - see the module's docstring

    return SamplingParams(
        n=sampling.n,
        max_tokens=min(sampling.max_tokens, room),
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        seed=sampling.seed,
        stop=list(sampling.stop) or None,
        presence_penalty=sampling.presence_penalty,
        frequency_penalty=sampling.frequency_penalty,
        logprobs=sampling.logprobs,
        output_kind=RequestOutputKind.DELTA,
        structured_outputs=None if constraint is None else _structured_outputs(constraint),
    )


def _structured_outputs(constraint: Constraint) -> Any:
    from vllm.sampling_params import StructuredOutputsParams  # noqa: PLC0415 - see the module's docstring

    match constraint.kind:
        case "json_schema":
            return StructuredOutputsParams(json=constraint.source)
        case "json_object":
            return StructuredOutputsParams(json_object=True)
        case "choice":
            return StructuredOutputsParams(choice=json.loads(constraint.source))
        case kind:
            return StructuredOutputsParams(**{kind: constraint.source})


def delta(candidate: Any) -> Delta | None:
    """What one `CompletionOutput` adds; None when it only ends."""
    if not candidate.token_ids:
        return None
    return Delta(
        index=candidate.index,
        text=candidate.text,
        tokens=len(candidate.token_ids),
        logprobs=tuple(_logprobs(candidate.token_ids, candidate.logprobs or ())),
    )


def _logprobs(token_ids: Iterable[int], positions: Iterable[Any]) -> Iterable[TokenLogprob]:
    for token_id, position in zip(token_ids, positions, strict=False):
        best = sorted(position.items(), key=lambda item: item[1].rank or 0)
        chosen = position[token_id]
        yield TokenLogprob(
            token=chosen.decoded_token or "",
            logprob=chosen.logprob,
            top=tuple((entry.decoded_token or "", entry.logprob) for _, entry in best),
        )


def finish_reason(reason: str) -> FinishReason:
    """Raises `EngineUnavailable` for vLLM's "error": the text ended because something broke, unfinished."""
    match reason:
        case "stop" | "length" | "abort":
            return reason
        case _:
            raise EngineUnavailable("the engine", f"the generation broke off ({reason})", retry_after_s=1.0)


def dead_errors() -> tuple[type[BaseException], ...]:
    """What vLLM raises for requests that an engine core took with it."""
    from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError  # noqa: PLC0415 - as above

    return EngineDeadError, EngineGenerateError
