"""The narrow boundary to vLLM: how it is started and asked, in our own types (`functions.vllm_outputs`: its answers).

vLLM is imported when an engine starts, not when this module is: the import takes 6 s and 500 MB.
"""

import asyncio
import contextlib
import json
import logging
import multiprocessing
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from functions.failures import ConstraintRefused, EngineUnavailable, PromptTooLong, Refused
from functions.generation import Constraint, GenerationRequest, Message
from functions.import_lock import IMPORTING
from functions.matching_limits import limit_all_matchers
from functions.parent_watch import end_with
from functions.validation_grammar import structural_tag_as_lark
from functions.worker_extension import KEEP_GENERATORS, WORKER_EXTENSION
from infra.settings import EngineSettings, apply_process_environment

_TOKENIZER_THREADS = 4
_FORCED = "functions.forced_tokens"
_GIVE_UP_ON_START_S = 30.0
_BROKEN_OFF = "error"
"""vLLM's word for an end that is none: seldom, a token is drawn that the constraint does not take."""


class Core(Protocol):
    """What is used of `vllm.v1.engine.async_llm.AsyncLLM`, which ships no types that a strict checker takes.

    `errored` is true once its process is lost; `output_handler` is the task that ends at that moment.
    """

    errored: bool
    output_handler: asyncio.Task[None]

    def get_tokenizer(self) -> Any:
        """Transformers' tokenizer, made safe to be called from several threads."""

    def generate(self, prompt: Any, sampling_params: Any, request_id: str) -> AsyncGenerator[Any, None]:
        """Stream `RequestOutput`s."""

    async def abort(self, request_id: Sequence[str]) -> None:
        """End these; their streams end with finish_reason "abort"."""

    async def sleep(self, level: int) -> None:
        """End everything; move the weights out of GPU memory (level 1) or drop them (2)."""

    async def wake_up(self, tags: list[str] | None = None) -> bool:
        """Take back the memory of what `tags` names, else of all."""

    async def collective_rpc(self, method: str) -> Any:
        """Call a method of each worker."""

    def shutdown(self) -> None:
        """End the process, waiting for it."""


async def start_core(settings: EngineSettings, model_path: Path) -> Core:
    """An `AsyncLLM` with its engine core in a process of its own, loaded; the event loop stays free meanwhile.

    Cancelling ends the process that was being started before it returns. Raises what vLLM raises.
    """
    await asyncio.to_thread(_import_vllm, settings)
    starting = asyncio.get_running_loop().run_in_executor(None, _start_core, settings, model_path)
    try:
        core = await asyncio.shield(starting)
        await core.collective_rpc(KEEP_GENERATORS)
    except BaseException:
        await _give_up(starting)
        raise
    return core


def _import_vllm(settings: EngineSettings) -> None:
    """On its own: errors that vLLM keeps of its import keep the frames that led there, and what these hold."""
    apply_process_environment(
        {
            # A fork of a process with an event loop and threads may deadlock, and on a GPU vLLM forks unless told.
            "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
            "VLLM_ENGINE_READY_TIMEOUT_S": str(round(settings.startup_timeout_s)),
            "VLLM_LOGGING_LEVEL": "WARNING",
            "VLLM_LOGGING_STREAM": "ext://sys.stderr",
        }
        | settings.process_environment
    )
    with IMPORTING:
        import transformers.generation.utils  # noqa: F401, PLC0415 - what vLLM comes to later, without the lock
        import vllm.engine.arg_utils  # noqa: PLC0415 - see the module's docstring
        import vllm.v1.engine.async_llm  # noqa: F401, PLC0415 - as above


def _start_core(settings: EngineSettings, model_path: Path) -> Core:
    from vllm.engine.arg_utils import AsyncEngineArgs  # noqa: PLC0415 - see the module's docstring
    from vllm.v1.engine.async_llm import AsyncLLM  # noqa: PLC0415 - as above

    core: Core = AsyncLLM.from_engine_args(
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
            # Prompts are never logged. Of vLLM's statistics only the times in its outputs are used.
            enable_log_requests=False,
            disable_log_stats=True,
            use_tqdm_on_load=False,
            additional_config=_InEachProcess(),
            worker_extension_cls=WORKER_EXTENSION,
            **_forced_tokens(settings.forced_tokens),
            # vLLM reads a prompt and its constraint in these threads: a large one must not hold up the others.
            renderer_num_workers=_TOKENIZER_THREADS,
            # The same two switches as in validation: what was tried there is what is compiled here.
            structured_outputs_config={
                "backend": "guidance",
                "disable_any_whitespace": True,
                "disable_additional_properties": True,
            },
        ),
        stat_loggers=[_quiet_statistics()],  # asks for times although statistics are off
    )
    return core


def _forced_tokens(most: int) -> dict[str, Any]:
    """Options by which at most so many tokens that a grammar forces are taken in one step; none where that is 0.

    The classes are imported by vLLM's own processes, by these names.
    """
    if most == 0:
        return {}
    from vllm.platforms import current_platform  # noqa: PLC0415 - see the module's docstring

    # On a CPU vLLM's worker is a process, which would be asked for drafts after each step.
    executor = {"distributed_executor_backend": f"{_FORCED}.WithoutDrafts"} if current_platform.is_cpu() else {}
    return executor | {
        "scheduler_cls": f"{_FORCED}.ForcedTokenScheduler",
        "speculative_config": {
            "method": "custom_class",
            "model": f"{_FORCED}.NothingGuessed",
            "num_speculative_tokens": most,
        },
    }


def _quiet_statistics() -> Any:
    """A class of loggers that log nothing: without one of this kind, vLLM adds its own, which count at every step."""
    from vllm.v1.metrics.loggers import PrometheusStatLogger  # noqa: PLC0415 - see the module's docstring

    class Quiet(PrometheusStatLogger):  # type: ignore[misc] # untyped, as all of vLLM here
        def __init__(self, *_: Any, **__: Any) -> None:
            pass

        def record(self, *_: Any, **__: Any) -> None:
            pass

        def record_sleep_state(self, *_: Any, **__: Any) -> None:
            pass

        def record_admission_rejection(self, *_: Any, **__: Any) -> None:
            pass

        def log(self) -> None:
            pass

        def log_engine_initialized(self) -> None:
            pass

    return Quiet


class _InEachProcess:
    """Travels in vLLM's configuration, which is the first thing that each of its processes unpickles.

    vLLM's plugins would come too late: an engine core waits for its parent, up to five minutes, before it loads them.
    """

    def compute_hash(self) -> str:
        """Nothing that vLLM compiles and caches depends on this."""
        return ""

    def __reduce__(self) -> tuple[Callable[[int], "_InEachProcess"], tuple[int]]:
        return _enter_process, (os.getpid(),)


def _enter_process(parent: int) -> _InEachProcess:
    if parent != os.getpid():  # not just a copy
        end_with(parent)
        limit_all_matchers()
    # When it breaks, vLLM would log the requests it was working on, with their constraints and stop sequences.
    logging.getLogger("vllm.logging_utils.dump_input").disabled = True
    return _InEachProcess()


async def _give_up(starting: asyncio.Future[Core]) -> None:
    """End the process of a start that nobody waits for any more: its thread cannot be stopped in any other way."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _GIVE_UP_ON_START_S
    while not starting.done() and loop.time() < until:
        for child in multiprocessing.active_children():
            if child.name.startswith("EngineCore"):
                _kill_tree(child.pid)
        await asyncio.wait({starting}, timeout=0.2)
    if starting.done() and starting.exception() is None:
        await end_core(starting.result())


async def end_core(core: Core) -> None:
    """End its process and wait until it is gone, even when this is cancelled meanwhile."""
    ending = asyncio.get_running_loop().run_in_executor(None, core.shutdown)
    try:
        await asyncio.shield(ending)
    except asyncio.CancelledError:
        await asyncio.wait({ending})
        raise


def _kill_tree(pid: int | None) -> None:
    from vllm.utils.system_utils import kill_process_tree  # noqa: PLC0415 - imported already: there is a child of vLLM

    if pid is not None:
        kill_process_tree(pid)


def prompt_token_ids(core: Core, request: GenerationRequest, max_model_len: int) -> list[int]:
    """The prompt as the model reads it; slow for a large one, and safe to call in a thread.

    Raises `PromptTooLong` when it leaves no room for a single token, `Refused` when the chat template does not take
    the messages.
    """
    _check_encodable(request.messages)
    tokenizer = core.get_tokenizer()
    if request.raw:
        ids = tokenizer.encode("".join(message.content for message in request.messages))
    else:
        rendered = _rendered(tokenizer, request.messages) + request.opening
        ids = tokenizer.encode(rendered, add_special_tokens=False)
    if not ids:
        raise Refused("", "the prompt is empty")
    if len(ids) >= max_model_len:
        raise PromptTooLong(tokens=len(ids), limit=max_model_len - 1)
    return list(ids)


def _check_encodable(messages: Sequence[Message]) -> None:
    """JSON can escape half of a surrogate pair, which is no character, and has no bytes to make tokens of."""
    for number, message in enumerate(messages):
        try:
            message.content.encode()
        except UnicodeEncodeError as error:
            pointer, position = f"/messages/{number}/content", error.start
            raise Refused(pointer, f"character {position} is half of a surrogate pair") from None


def _rendered(tokenizer: Any, messages: Sequence[Message]) -> str:
    from jinja2 import TemplateError  # noqa: PLC0415 - transformers' own engine for chat templates, imported by it

    turns = [message.model_dump() for message in messages]
    try:
        return str(tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False))
    except TemplateError as error:
        raise Refused("/messages", f"the model's chat template does not take these messages: {error}") from None


def _sampling_params(request: GenerationRequest, *, room: int) -> Any:
    """Translate. `room` is what the prompt leaves of the context: vLLM would accept more, silently."""
    from vllm.sampling_params import RequestOutputKind, SamplingParams  # noqa: PLC0415 - see the module's docstring

    sampling, constraint = request.sampling, request.constraint
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
        structured_outputs=None if constraint is None else structured_outputs(constraint),
    )


def structured_outputs(constraint: Constraint) -> Any:
    """Give vLLM's `StructuredOutputsParams`: what was tried in validation is what is compiled here."""
    from vllm.sampling_params import StructuredOutputsParams  # noqa: PLC0415 - see the module's docstring

    match constraint.kind:
        case "json_schema":
            return StructuredOutputsParams(json=constraint.source)
        case "json_object":
            return StructuredOutputsParams(json_object=True)
        case "choice":
            return StructuredOutputsParams(choice=json.loads(constraint.source))
        case "structural_tag":
            # vLLM's own way to llguidance does not enforce the schemas inside (0.32).
            return StructuredOutputsParams(grammar=structural_tag_as_lark(constraint.source))
        case kind:
            return StructuredOutputsParams(**{kind: constraint.source})


async def outputs(
    core: Core, request: GenerationRequest, prompt: list[int], request_id: str, max_model_len: int
) -> AsyncGenerator[Any, None]:
    """The `RequestOutput`s of one request, with vLLM's errors as ours. Closing it aborts the request.

    One that breaks off before anything of it has been given is asked once more: it was the draw of a single token.
    Raises `EngineUnavailable`, and `Refused` for what vLLM itself would not take, which validation should have caught.
    """
    from vllm.exceptions import VLLMClientError  # noqa: PLC0415 - see the module's docstring
    from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError  # noqa: PLC0415 - as above

    try:
        params = _sampling_params(request, room=max_model_len - len(prompt))
        # A raw prompt, although vLLM would rather have a rendered one: only with this form is the constraint, which
        # vLLM compiles once more to check it, compiled in a thread instead of on the event loop.
        given = False
        for is_last in (False, True):
            stream = core.generate({"prompt_token_ids": prompt}, params, request_id)
            async with contextlib.aclosing(stream):
                async for output in stream:
                    if not given and not is_last and _has_broken_off(output):
                        break
                    given = True
                    yield output
                else:
                    return
    except VLLMClientError as error:
        kind = Refused if request.constraint is None else ConstraintRefused
        raise kind("", str(error)) from error
    except EngineDeadError as error:
        raise EngineUnavailable("the engine", "its process died and is being started again") from error
    except EngineGenerateError as error:
        raise EngineUnavailable("the engine", "the generation broke off", retry_after_s=1.0) from error


def _has_broken_off(output: Any) -> bool:
    return any(candidate.finish_reason == _BROKEN_OFF for candidate in output.outputs)


async def wake(core: Core, level: int) -> None:
    """Undo `sleep(level)`. Level 2 has thrown the weights away: they are read again before the cache is made."""
    if level == 1:
        await core.wake_up()
        return
    await core.wake_up(tags=["weights"])
    await core.collective_rpc("reload_weights")
    await core.wake_up(tags=["kv_cache"])
