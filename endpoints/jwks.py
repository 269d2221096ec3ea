"""The identity provider's public keys (JSON Web Key Set, RFC 7517), fetched seldom, never at a stranger's will."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import jwt
import structlog

from functions.failures import Unavailable

ALGORITHMS: Mapping[str, str] = {"EC": "ES256", "RSA": "RS256"}
"""The algorithm that a key of each type is used with, whatever a token's header claims (RFC 8725, section 3.1)."""

Fetch = Callable[[], Awaitable[Mapping[str, Any]]]


class KeySet:
    """Keys by `kid`.

    They are fetched again when older than `max_age_s`, and at most every `refetch_s` for a `kid` that is not among
    them (keys rotate; tokens with made-up ids must not become traffic). While the provider cannot be reached, keys
    that are known stay in use up to `stale_s`.
    """

    def __init__(
        self,
        fetch: Fetch,
        *,
        max_age_s: float = 600,
        refetch_s: float = 60,
        stale_s: float = 3600,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._max_age_s = max_age_s
        self._refetch_s = refetch_s
        self._stale_s = stale_s
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._tried_at = float("-inf")
        self._lock = asyncio.Lock()
        self._log = structlog.get_logger("jwks")

    async def key(self, kid: str) -> jwt.PyJWK | None:
        """The key, or None where the provider has none of that id. Raises `Unavailable` if that cannot be known."""
        if self._wants_fetch(kid) or (self._lock.locked() and kid not in self._keys):
            async with self._lock:  # who comes while a fetch is under way waits for what it brings
                if self._wants_fetch(kid):
                    await self._refresh()
        if self._age() > self._stale_s:
            raise Unavailable("the identity provider", "its signing keys cannot be fetched", retry_after_s=2)
        return self._keys.get(kid)

    def _age(self) -> float:
        return self._clock() - self._fetched_at

    def _wants_fetch(self, kid: str) -> bool:
        since_try = self._clock() - self._tried_at
        if self._age() > self._stale_s:
            return since_try >= 1  # nothing works without keys: a provider that has just come up is noticed at once
        return since_try >= self._refetch_s and (kid not in self._keys or self._age() > self._max_age_s)

    async def _refresh(self) -> None:
        self._tried_at = self._clock()
        try:
            document = await self._fetch()
        except Exception as error:  # noqa: BLE001 - whatever the transport raises, it means "not now"
            self._log.warning("signing keys could not be fetched", error=type(error).__name__, age_s=self._age())
            return
        self._keys = {kid: key for entry in document.get("keys", ()) for kid, key in _usable(entry)}
        self._fetched_at = self._clock()


def _usable(entry: Mapping[str, Any]) -> list[tuple[str, jwt.PyJWK]]:
    algorithm = ALGORITHMS.get(entry.get("kty", ""))
    wrong_use = entry.get("use", "sig") != "sig" or entry.get("alg", algorithm) != algorithm
    if algorithm is None or wrong_use or not isinstance(entry.get("kid"), str):
        return []
    try:
        return [(entry["kid"], jwt.PyJWK(dict(entry), algorithm))]
    except jwt.PyJWTError:
        return []
