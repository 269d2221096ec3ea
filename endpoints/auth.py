"""Who is asking: the credentials of a request become a `Caller`, whose token the database then judges by."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from starlette.datastructures import Headers

from endpoints.tokens import Claims, TokenSigner, TokenVerifier
from functions.api_keys import PREFIX, ApiKeyHolder
from functions.callers import Caller
from functions.degraded_mode import DegradedMode
from functions.failures import DatabaseUnavailable, Unauthenticated

ALL_SCOPES = frozenset({"read", "generate", "admin"})
TOKEN_LIFETIME_S = 300
"""An API key's token lives this long; none outlives its user's request by more."""

_LONGEST_KEY = 256


Lookup = Callable[[str], Awaitable[ApiKeyHolder | None]]


def _nothing() -> None:
    """Nothing stands against asking."""


class ApiKeyCallers:
    """Callers by API key. The database is asked at most once in `cached_s` for each key in use.

    `cached_s` bounds how long a revoked key still works; 60 s is promised. Unknown keys are remembered too, so that a
    program with a dead key costs no more than one with a live one. In degraded mode, while the database cannot be
    reached, a key that was good within its `verified_within_s` is good.
    """

    def __init__(
        self,
        lookup: Lookup,
        signer: TokenSigner,
        *,
        cached_s: float = 30,
        capacity: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lookup = lookup
        self._signer = signer
        self._cached_s = cached_s
        self._capacity = capacity
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[float, asyncio.Future[Caller | None]]] = OrderedDict()
        self._good: OrderedDict[bytes, tuple[float, Caller]] = OrderedDict()

    async def caller(
        self, key: str, before_asking: Callable[[], None] = _nothing, degraded: DegradedMode | None = None
    ) -> Caller:
        """The key's user. Raises `Unauthenticated`, `DatabaseUnavailable`, and what `before_asking` raises."""
        if len(key) > _LONGEST_KEY:
            raise Unauthenticated("the API key is longer than any that was issued here")
        digest = hashlib.sha256(key.encode()).digest()  # keys themselves are not kept in memory
        asked_at, answer = self._known.get(digest, (float("-inf"), None))
        if answer is None or self._clock() - asked_at >= self._cached_s or _failed(answer):
            if degraded and degraded.is_away and (good := self._good_lately(digest, degraded)):
                return good
            before_asking()
            answer = self._ask(key, digest)
        try:
            caller = await asyncio.shield(answer)
        except DatabaseUnavailable:
            if degraded and (good := self._good_lately(digest, degraded)):
                degraded.failed()
                return good
            raise
        if caller is None:
            raise Unauthenticated("the API key is not known here, has expired, or was revoked")
        return caller

    def _ask(self, key: str, digest: bytes) -> asyncio.Future[Caller | None]:
        """Ask once, however many requests come with the key meanwhile: they share the answer."""
        answer = asyncio.ensure_future(self._look_up(key, digest))
        self._known[digest] = (self._clock(), answer)
        self._known.move_to_end(digest)
        while len(self._known) > self._capacity:
            self._known.popitem(last=False)
        return answer

    def _good_lately(self, digest: bytes, degraded: DegradedMode) -> Caller | None:
        good_at, caller = self._good.get(digest, (float("-inf"), None))
        return caller if self._clock() - good_at <= degraded.verified_within_s else None

    async def _look_up(self, key: str, digest: bytes) -> Caller | None:
        holder = await self._lookup(key)
        self._good.pop(digest, None)
        if holder is None:
            return None
        caller = Caller(
            user_id=holder.user_id,
            token=self._signer.sign(holder.user_id, lifetime_s=TOKEN_LIFETIME_S, claims={"key_id": holder.key_id}),
            key_id=holder.key_id,
            scopes=frozenset(holder.scopes),
            operator=False,
            email=holder.email,
        )
        self._good[digest] = (self._clock(), caller)
        while len(self._good) > self._capacity:
            self._good.popitem(last=False)
        return caller


class Authenticator:
    """Reads `Authorization: Bearer <JWT or lsk_...>` or `X-API-Key: lsk_...`."""

    def __init__(self, verifier: TokenVerifier, api_keys: ApiKeyCallers) -> None:
        self._verifier = verifier
        self._api_keys = api_keys

    async def caller(
        self,
        headers: Headers,
        *,
        before_asking: Callable[[], None] = _nothing,
        degraded: DegradedMode | None = None,
    ) -> Caller:
        """Raises `Unauthenticated` with what to do; `Unavailable` when it cannot be known who is asking.

        `before_asking` is called where the database will be asked for a key, and may raise why it is not to be. With
        `degraded` a key may be good that the database cannot be asked for now.
        """
        credential = _credential(headers)
        if credential.startswith(PREFIX):
            return await self._api_keys.caller(credential, before_asking, degraded)
        return await self.signed_in(credential)

    async def signed_in(self, token: str) -> Caller:
        """The user whose access token this is. Raises as `caller` does."""
        claims = await self._verifier.verify(token)
        return Caller(
            user_id=str(claims.sub),
            token=token,
            key_id=None,
            scopes=ALL_SCOPES,
            operator=_is_operator(claims),
            email=claims.email,
        )


def _credential(headers: Headers) -> str:
    authorization = headers.getlist("authorization")
    if len(authorization) > 1:
        raise Unauthenticated("there is more than one Authorization header")
    if not authorization:
        key = headers.get("x-api-key", "")
        if key and not key.startswith(PREFIX):
            raise Unauthenticated(f"X-API-Key takes an API key, which begins with {PREFIX}")
        if not key:
            raise Unauthenticated("send `Authorization: Bearer <token or API key>`, or `X-API-Key: <API key>`")
        return key
    scheme, _, credential = authorization[0].partition(" ")
    if scheme.lower() != "bearer" or not credential.strip():
        raise Unauthenticated("the Authorization header is not `Bearer <token or API key>`")
    return credential.strip()


def _is_operator(claims: Claims) -> bool:
    return claims.app_metadata.get("operator") is True


def _failed(answer: asyncio.Future[Caller | None]) -> bool:
    return answer.done() and (answer.cancelled() or answer.exception() is not None)
