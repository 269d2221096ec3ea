"""Settings of what generates: the engine and when it runs, what is asked of it, and where code is tried."""

from typing import Annotated, Any, Literal

from pydantic import Field

from infra.settings_types import Block, Count, NonNegative, Positive, Rate


class WarmUp(Block):
    """A request that an engine answers before it says that it is ready, as `n` candidates.

    With `kind` and `source` it is under that constraint, with `logprobs` it asks for so many of each token.
    """

    kind: Literal["json_schema", "json_object", "grammar", "regex", "choice", "structural_tag"] | None = None
    source: str | list[str] | dict[str, Any] = ""
    n: Count = 1
    logprobs: NonNegative = 0


class EngineSettings(Block):
    """What vLLM is started with. `gpu` lists Modal GPU types in order of preference; empty means CPU.

    At most `forced_tokens` tokens that a grammar leaves no choice about are taken in one step; 0: each is decoded.
    `revision` is a commit of the model's repository; `weights_directory` is where Modal's Volume of weights is mounted.
    """

    device: Literal["cuda", "cpu"]
    gpu: list[str]
    model: str
    revision: str
    dtype: Literal["bfloat16", "float16"]
    max_model_len: Count
    max_num_seqs: Count
    gpu_memory_utilization: Annotated[float, Field(gt=0, lt=1)]
    enforce_eager: bool
    sleep_level: Annotated[int, Field(ge=0, le=2)]
    forced_tokens: Annotated[int, Field(ge=0, le=64)]
    startup_timeout_s: Positive
    warm_up: list[WarmUp]
    process_environment: dict[str, str] = Field(default_factory=dict)
    weights_directory: str = "/models"


class GenerationSettings(Block):
    """Defaults of a generation request, and its upper bounds."""

    temperature: Annotated[float, Field(ge=0, le=2)]
    max_tokens: Count
    timeout_s: Positive


class PromptSettings(Block):
    """Versions of the prompts in service, each with its weight: of two with 9 and 1 the second gets each tenth request.

    A version is the name of a file of `functions/prompts`. `implement` has several prompts side by side: a request's
    candidates are written by them in turn, and a single one by the first.
    """

    specify: Annotated[dict[str, Positive], Field(min_length=1)]
    implement: Annotated[list[Annotated[dict[str, Positive], Field(min_length=1)]], Field(min_length=1)]


class AnswerCacheSettings(Block):
    """Answers to deterministic requests (temperature 0, or a seed), kept for `max_age_s`.

    `shared_between_users` lets anybody's answer serve everybody who asks the same: how fast an answer comes then tells
    whether somebody has asked before.
    """

    enabled: bool
    shared_between_users: bool
    max_age_s: Positive


class ValidationSettings(Block):
    """Limits of the child processes in which a request's constraint is tried before an engine sees it.

    A constraint that needs more than `cpu_s` of CPU time is refused; one that has no answer after `timeout_s` met a
    busy machine, and may come again.
    """

    processes: Count
    cpu_s: Positive
    timeout_s: Positive
    max_waiting: Count
    memory_mib: Count
    cached_verdicts: Count
    max_source_bytes: Count


class SandboxSettings(Block):
    """Limits of the process in which generated code runs, and where it is.

    `on_modal` puts each candidate into a `modal.Sandbox` of its own; else it is a process beside the web server.
    """

    on_modal: bool
    wall_s: Positive
    cpu_s: Count
    memory_mib: Count
    processes: Count
    output_bytes: Count


class ScalingSettings(Block):
    """Modal's autoscaler and snapshots for the engine class.

    A request waits `cold_start_wait_s` for an engine that is starting; then it is answered 503 with Retry-After.
    """

    min_containers: NonNegative
    max_containers: Count
    buffer_containers: NonNegative
    scaledown_window_s: Annotated[int, Field(ge=2, le=3600)]
    max_concurrent_inputs: Count
    target_concurrent_inputs: Count
    memory_snapshot: bool
    gpu_snapshot: bool
    cold_start_wait_s: Positive
    region: str | None = None


class WarmHours(Block):
    """Hours of certain days (0 is Monday) in which `containers` engines are kept warm; `until_hour` is not included."""

    days: list[Annotated[int, Field(ge=0, le=6)]]
    from_hour: Annotated[int, Field(ge=0, le=23)]
    until_hour: Annotated[int, Field(ge=1, le=24)]
    containers: Count


class KeepAliveSettings(Block):
    """When engines are kept warm: `learned` from the requests of the last `history_days`, or by a timetable alone.

    The timetable is in `timezone` (an IANA name); empty, it keeps `min_containers`. It is also followed while fewer
    than `few_idle_times` were seen. A second that a user waits for an engine is worth `waited_usd_per_s`; a cold engine
    is ready after `cold_start_s`. Nothing but `min_containers` idles any longer on a day (in `timezone`) on which
    idling has cost `daily_warm_budget_usd`.
    """

    policy: Literal["learned", "timetable"]
    timezone: str
    warm_hours: list[WarmHours]
    waited_usd_per_s: Positive
    cold_start_s: Positive
    daily_warm_budget_usd: Rate
    few_idle_times: Count
    history_days: Count
