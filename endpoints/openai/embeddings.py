"""POST /v1/embeddings: https://platform.openai.com/docs/api-reference/embeddings, by the small model behind search."""

import base64
import struct
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from endpoints.admission import admitted
from endpoints.answering import answer
from endpoints.generation import Text
from endpoints.guard import App, Generator
from endpoints.idempotency import CostlyRoute
from endpoints.openai.fields import Body
from endpoints.openai.serving import admission_headers, chunk
from endpoints.openapi import problem_responses
from endpoints.server_sent_events import Event
from endpoints.work import Emit
from functions.embeddings import DIMENSIONS, MODEL, Embedded, Vector
from functions.failures import NotFound
from functions.generation import Timing, Usage

MAX_TEXTS = 256

router = APIRouter(route_class=CostlyRoute, tags=["openai"])


class EmbeddingBody(Body):
    """Texts, of which the model reads the first 256 tokens each."""

    input: Text | Annotated[list[Text], Field(min_length=1, max_length=MAX_TEXTS)] = Field(
        description="One text or several. Lists of tokens are not taken."
    )
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(default=None, ge=384, le=384, description="Only the model's own.")


@router.post(
    "/v1/embeddings",
    summary="OpenAI's embeddings",
    responses=problem_responses(404, 409, 413, 415, 429),
)
async def create_embeddings(request: Request, body: EmbeddingBody, app: App, caller: Generator) -> Response:
    """A unit vector for each text: the cosine of two is how near they are in meaning. It is done without a GPU."""
    if body.model != MODEL:
        raise NotFound(f"model {body.model!r} here; this server embeds with {MODEL!r}")
    headers: dict[str, str] = {}
    texts = [body.input] if isinstance(body.input, str) else body.input

    async def do(emit: Emit[Event]) -> None:
        async with admitted(app, request, caller, endpoint="embeddings", max_tokens=1) as admission:
            headers.update(admission_headers(admission))
            embedded = await app.embedder.embed(texts)
            used = Usage(prompt_tokens=embedded.tokens, cached_tokens=0, completion_tokens=0)
            admission.used(used, Timing(time_to_first_token_s=None, total_s=0.0))
        await emit(chunk(_document(embedded, body.encoding_format)))

    return await answer(request, do, as_events=False, headers_of=lambda _data: headers)


def _document(embedded: Embedded, encoding: str) -> dict[str, Any]:
    write = _base64 if encoding == "base64" else list
    data = [
        {"object": "embedding", "index": index, "embedding": write(vector)}
        for index, vector in enumerate(embedded.vectors)
    ]
    usage = {"prompt_tokens": embedded.tokens, "total_tokens": embedded.tokens}
    return {"object": "list", "data": data, "model": MODEL, "usage": usage}


def _base64(vector: Vector) -> str:
    """Little-endian floats of 32 bits, as OpenAI's clients ask for unless told otherwise."""
    return base64.b64encode(struct.pack(f"<{DIMENSIONS}f", *vector)).decode()
