"""Idempotency keys: a request that is sent again is answered as it was the first time, and its work is done once.

As Stripe has it (https://docs.stripe.com/api/idempotent_requests): keys of at most 255 characters, each its user's own,
kept for 24 hours; the same key with another request is an error.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from functions.callers import Caller
from functions.database import Database
from functions.failures import Conflict, KeyReused, Refused, StillRunning

LONGEST_KEY = 255
# Whoever has run a request for longer than this is taken for dead, and the next one may try.
LEASE_S = 3600.0


class StoredAnswer(BaseModel):
    """What the first request was answered with."""

    model_config = ConfigDict(frozen=True)

    status: int
    headers: dict[str, str]
    body: str


class Lease(BaseModel):
    """The right to do a key's work, and to say what came of it."""

    model_config = ConfigDict(frozen=True)

    key: str
    until: str


def fingerprint(method: str, path: str, body: bytes) -> str:
    """Of a request: the same key goes with the same one."""
    return hashlib.sha256(b"\0".join((method.encode(), path.encode(), body))).hexdigest()


class Idempotency:
    """Each caller's own keys. All raise `DatabaseUnavailable`."""

    def __init__(self, database: Database, *, lease_s: float = LEASE_S) -> None:
        self._database = database
        self._lease_s = lease_s

    async def begin(self, caller: Caller, key: str, request: str) -> Lease | StoredAnswer:
        """A lease: do the work. An answer: it was done, give that one. `request` is a `fingerprint`.

        Raises `StillRunning`, `KeyReused`, and `Refused` for a key that is too long.
        """
        if not 1 <= len(key) <= LONGEST_KEY:
            raise Refused("", f"an Idempotency-Key has 1 to {LONGEST_KEY} characters")
        arguments = {"p_key": key, "p_fingerprint": request, "p_lease_s": self._lease_s}
        try:
            answer = await self._database.call("begin_idempotent", arguments, token=caller.token)
        except Conflict as conflict:
            raise StillRunning(conflict.reason, conflict.details) from None
        except Refused as refused:
            raise KeyReused("", refused.reason) from None
        if "answer" in answer:
            return StoredAnswer.model_validate(answer["answer"])
        return Lease(key=key, until=answer["lease"])

    async def complete(self, caller: Caller, lease: Lease, answer: StoredAnswer) -> bool:
        """Keep the answer for whoever asks again. False: the lease had run out, and somebody else has the key."""
        arguments: dict[str, Any] = {
            **_named(lease), "p_status": answer.status, "p_headers": answer.headers, "p_body": answer.body
        }  # fmt: skip
        kept: bool = await self._database.call("complete_idempotent", arguments, token=caller.token, idempotent=True)
        return kept

    async def release(self, caller: Caller, lease: Lease) -> None:
        """Nothing was done (the request was refused, or failed in a way that may pass): the next one may try."""
        await self._database.call("release_idempotent", _named(lease), token=caller.token, idempotent=True)


def _named(lease: Lease) -> Mapping[str, str]:
    return {"p_key": lease.key, "p_lease": lease.until}
