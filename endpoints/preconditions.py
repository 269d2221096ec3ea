"""Optimistic concurrency over HTTP (RFC 9110, section 13): an ETag is a version, If-Match names the one meant."""

import re
from typing import Annotated

from fastapi import Depends, Header
from starlette.exceptions import HTTPException

from functions.failures import Refused

_VERSION = re.compile(r'"?([0-9]{1,9})"?')


def etag(version: int) -> str:
    """The entity tag of a version."""
    return f'"{version}"'


async def _expected_version(
    if_match: Annotated[
        str | None, Header(description='The `ETag` that the change was made from, such as `"3"`.')
    ] = None,
) -> int:
    if if_match is None:
        raise HTTPException(428, "say which version this changes: send If-Match with the ETag that you read")
    match = _VERSION.fullmatch(if_match.strip())
    if match is None:
        raise Refused("", f'If-Match takes one ETag, such as "3"; this is {if_match[:40]!r}')
    return int(match[1])


ExpectedVersion = Annotated[int, Depends(_expected_version)]
"""The version that a write was made from. Missing: 428. The store answers 412 when it is no longer the current one."""
