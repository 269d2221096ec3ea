"""What is the same for everybody: kept by browsers and by a CDN, and asked for again by its ETag (RFC 9110, 9111)."""

import hashlib
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

KEPT = "public, max-age=300, stale-while-revalidate=86400"
"""Until a deployment is seen everywhere five minutes pass."""

FOR_EVER = "public, max-age=31536000, immutable"
"""What another content has another address for."""


def public_document(request: Request, content: str, media_type: str, headers: Mapping[str, str] = {}) -> Response:
    """The document, or 304 to who has it already."""
    body = content.encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    kept = {"etag": etag, "cache-control": KEPT, **headers}
    if _has(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=kept)
    return Response(body, media_type=media_type, headers=kept)


def _has(if_none_match: str, etag: str) -> bool:
    """By weak comparison: a proxy that compresses makes an ETag weak."""
    return any(one.strip().removeprefix("W/") in {etag, "*"} for one in if_none_match.split(","))
