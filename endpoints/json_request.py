"""Bodies are JSON, strictly: what Python's parser lets through and other parts choke on is refused at the door."""

import math
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic_core import from_json
from starlette.exceptions import HTTPException
from starlette.requests import Request

# What may be in a body only if it holds one of the values below: a quick look that spares most bodies the walk.
_SUSPICIOUS = re.compile(rb"\\u0000|[eE]\+?[0-9]{3}|[0-9]{300}")


class JsonRequest(Request):
    """Parses with RFC 8259 to the letter: no NaN, no lone surrogates, nesting bounded (200).

    Two things that are legal JSON are refused as well, with their place: NUL in a string, which Postgres stores
    neither in text nor in jsonb, and numbers beyond the range of doubles (1e999), which would be read as infinity.
    """

    async def json(self) -> Any:
        """Raises `HTTPException` 400 for what is not JSON, `RequestValidationError` for what cannot be stored."""
        body = await self.body()
        try:
            value = from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise HTTPException(400, f"the body is not valid JSON: {error}") from None
        if _SUSPICIOUS.search(body) and (faults := list(islice(_faults(value, ("body",)), 10))):
            raise RequestValidationError(faults, body=value)
        return value


def require_json(request: Request) -> None:
    """Raises `HTTPException` 415 for a body of another type: a form, or curl's default without a header.

    A compressed body is refused by its name, not by what its bytes look like.
    """
    coding = request.headers.get("content-encoding", "").strip().lower()
    if coding not in {"", "identity"}:
        raise HTTPException(
            415,
            f"the content-encoding {coding[:40]!r} is not taken; send the body as it is",
            {"accept-encoding": "identity"},
        )
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json")):
        return
    said = f"is {media_type!r}" if media_type else "is missing"
    raise HTTPException(415, f"the content-type {said}; send application/json")


def _faults(value: Any, path: tuple[str | int, ...]) -> Iterator[dict[str, Any]]:
    match value:
        case str() if "\0" in value:
            yield {"type": "nul", "loc": path, "msg": "a string cannot hold the character NUL (\\u0000)"}
        case float() if not math.isfinite(value):
            yield {"type": "range", "loc": path, "msg": "the number is beyond the range of double precision"}
        case list():
            for index, item in enumerate(value):
                yield from _faults(item, (*path, index))
        case dict():
            for key, item in value.items():
                yield from _faults(key, path)
                yield from _faults(item, (*path, key))
