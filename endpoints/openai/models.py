"""GET /v1/models: what is served here, https://platform.openai.com/docs/api-reference/models."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from endpoints.guard import App, GuardedRoute, Reader
from endpoints.openai.serving import short_name
from endpoints.openapi import problem_responses
from endpoints.services import Services
from functions import embeddings
from functions.failures import NotFound

router = APIRouter(route_class=GuardedRoute, tags=["openai"])


class Model(BaseModel):
    """A model that may be named in a request."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(default=0, description="Not known here: 0.")
    owned_by: str = "lift-sys"
    max_model_len: int | None = Field(default=None, description="Tokens that its context holds, prompt included.")


class ModelList(BaseModel):
    """All of them."""

    object: Literal["list"] = "list"
    data: list[Model]


@router.get("/v1/models", summary="The models that are served")
async def list_models(app: App, _caller: Reader) -> ModelList:
    """The one that generates, and the one that embeds."""
    return ModelList(data=_models(app))


@router.get("/v1/models/{model:path}", summary="One model that is served", responses=problem_responses(404))
async def get_model(model: str, app: App, _caller: Reader) -> Model:
    """By its name, or by the last part of it."""
    found = next((known for known in _models(app) if model in {known.id, short_name(known.id)}), None)
    if found is None:
        raise NotFound(f"model {model!r} here")
    return found


def _models(app: Services) -> list[Model]:
    engine = app.settings.engine
    return [Model(id=engine.model, max_model_len=engine.max_model_len), Model(id=embeddings.MODEL)]
