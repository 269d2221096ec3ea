"""What the bodies under /v1 have in common: fields that are taken and have no effect, and how tokens are chosen."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints, model_validator

from endpoints.engine_events import stop_sequences
from endpoints.generation import Stop, Text
from functions.generation import Sampling
from infra.settings import Settings

ModelName = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class Part(BaseModel):
    """A part of a body. A field that is null is as good as left out, as OpenAI's clients have it."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, value: Any) -> Any:
        return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value


class Body(Part):
    """A whole body, with the fields of OpenAI's that change nothing here."""

    model: ModelName = Field(description="The served model's name, or its last part.")
    user: Any = Field(default=None, description="Ignored.")
    metadata: dict[str, str] | None = Field(default=None, description="Given back by /v1/responses; else ignored.")
    store: StrictBool | None = Field(default=None, description="Ignored: nothing is stored.")
    service_tier: Any = Field(default=None, description="Ignored.")
    safety_identifier: Any = Field(default=None, description="Ignored.")
    prompt_cache_key: Any = Field(default=None, description="Ignored: equal beginnings are cached in any case.")
    prompt_cache_retention: Any = Field(default=None, description="Ignored.")


class StreamOptions(Part):
    """What a stream ends with."""

    include_usage: StrictBool = False
    include_obfuscation: Any = Field(default=None, description="Ignored.")


class SampledBody(Body):
    """How tokens are chosen. What is not said is the server's default, as for /api/generate."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float = Field(default=1.0, gt=0, le=1)
    stream: StrictBool = False

    def temperature_or(self, settings: Settings) -> float:
        """As asked for, or the default."""
        return settings.generation.temperature if self.temperature is None else self.temperature


class ConstraintSetBody(Part):
    """A constraint set of ours, as /api/generate takes it."""

    constraints: dict[str, Any] | list[Any] | None = Field(default=None, description="A constraint set.")
    digest: Text | None = Field(default=None, description="Of a set that /api/compile has compiled.")


class CompletionBody(SampledBody):
    """What chat completions and completions have in common."""

    n: int = Field(default=1, ge=1, le=32)
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    stop: Text | Stop | None = Field(default=None, description="The text ends before the first of these, at most 16.")
    presence_penalty: float = Field(default=0.0, ge=-2, le=2)
    frequency_penalty: float = Field(default=0.0, ge=-2, le=2)
    logit_bias: Annotated[dict[str, float], Field(max_length=0)] | None = Field(
        default=None, description="Only empty: constraints say what may be written."
    )
    stream_options: StreamOptions | None = None

    def sampling(self, settings: Settings, *, max_tokens: int, logprobs: int | None) -> Sampling:
        """For the engine."""
        return Sampling(
            max_tokens=max_tokens,
            temperature=self.temperature_or(settings),
            top_p=self.top_p,
            seed=self.seed,
            stop=stop_sequences(self.stop),
            n=self.n,
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            logprobs=logprobs,
        )

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with what was used."""
        return self.stream_options is not None and self.stream_options.include_usage
