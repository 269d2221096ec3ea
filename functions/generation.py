"""Requests and events of a generation: the types that cross from the web tier to an engine and back."""

import hashlib
import json
from collections.abc import AsyncGenerator
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from functions.schema_properties import with_required_listed

ConstraintKind = Literal["json_schema", "json_object", "grammar", "regex", "choice", "structural_tag"]
FinishReason = Literal["stop", "length", "abort"]
EngineState = Literal["cold", "warming", "ready", "unknown"]


class Wire(BaseModel):
    """A value that crosses a process boundary: immutable, and nothing unknown gets in."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Constraint(Wire):
    """What the decoder enforces, as text: JSON for `json_schema`, `choice` (an array) and `structural_tag`, else as is.

    The order of a schema's properties is kept: it is the order in which they are written.
    """

    kind: ConstraintKind
    source: str

    @classmethod
    def of(cls, kind: ConstraintKind, value: Any) -> "Constraint":
        """From a parsed value (a schema, a list of choices) or from text (a Lark grammar, a regex)."""
        if kind == "json_schema" and isinstance(value, dict):
            value = with_required_listed(value)
        return cls(kind=kind, source=value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))

    @property
    def digest(self) -> str:
        """SHA-256 over kind and source, hexadecimal."""
        return hashlib.sha256(f"{self.kind}\0{self.source}".encode(errors="surrogatepass")).hexdigest()


class Message(Wire):
    """One turn of a conversation, as chat templates take it."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str


class Sampling(Wire):
    """How tokens are chosen. Defaults are filled in from the settings before a request is made."""

    max_tokens: Annotated[int, Field(ge=1)]
    temperature: Annotated[float, Field(ge=0, le=2)]
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    n: Annotated[int, Field(ge=1, le=32)] = 1
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None


class GenerationRequest(Wire):
    """One request to an engine. `messages` go through the model's chat template; with `raw`, they are joined as is.

    The answer goes on from `opening`, the beginning of the model's turn, and may end with `closing`, which the
    constraint has to let be written there: neither is a part of the answer.
    The constraint must have passed `functions.validation` before: an engine trusts it.
    """

    id: str
    messages: tuple[Message, ...]
    sampling: Sampling
    constraint: Constraint | None = None
    raw: bool = False
    opening: str = ""
    closing: str = ""
    timeout_s: float = 600.0


class TokenLogprob(Wire):
    """A sampled token with its log probability and the most likely alternatives at its place."""

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()


class Delta(Wire):
    """Text that one candidate (`index`, 0 to n-1) grew by; `tokens` counts what the text was made of."""

    type: Literal["delta"] = "delta"
    index: int = 0
    text: str
    tokens: int
    logprobs: tuple[TokenLogprob, ...] = ()


class CandidateFinished(Wire):
    """One candidate of `n` has ended. A `length` finish is a cut, valid prefix: never a valid document.

    The prompt's tokens are told here already: who leaves the other candidates sees no `Finished`.
    """

    type: Literal["candidate_finished"] = "candidate_finished"
    index: int
    finish_reason: FinishReason
    prompt_tokens: int = 0
    cached_tokens: int = 0


class Usage(Wire):
    """Tokens, over all candidates. `cached_tokens` of the prompt were served by the prefix cache."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


class Timing(Wire):
    """Seconds since the engine took the request; `sandbox_s` went into trying what it wrote."""

    time_to_first_token_s: float | None
    total_s: float
    sandbox_s: float = 0.0


class Finished(Wire):
    """The last event of every stream that did not raise. `finish_reason` is the first candidate's."""

    type: Literal["finished"] = "finished"
    finish_reason: FinishReason
    usage: Usage
    timing: Timing


GenerationEvent = Delta | CandidateFinished | Finished


class EngineStatus(Wire):
    """What is known of an engine without waking it."""

    state: EngineState
    model: str
    detail: str = ""
    running: int | None = None
    waiting: int | None = None
    last_start_s: float | None = None
    restarts: int = 0


class EngineClient(Protocol):
    """An engine, wherever it runs. Only adapters differ."""

    def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """Stream the events of one request; closing the generator aborts it.

        Raises, before the first event: `PromptTooLong`, `EngineUnavailable`. During: `EngineUnavailable`,
        `GenerationTimeout`.
        """
        ...

    async def status(self) -> EngineStatus:
        """Answer at once, and never start or wake an engine."""
        ...
