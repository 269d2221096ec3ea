"""Supabase's access tokens: verified here, without asking the server, and issued for the users of API keys.

RFC 7519 (JWT) with the advice of RFC 8725: the key decides the algorithm, and issuer, audience, expiry, subject and
role are all required.
"""

import hashlib
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jwt
from pydantic import BaseModel, ConfigDict, ValidationError

from endpoints.jwks import ALGORITHMS, KeySet
from functions.failures import Unauthenticated

AUDIENCE = "authenticated"
ROLE = "authenticated"
LEEWAY_S = 30
LONGEST_TOKEN = 8192
REMEMBERED_S = 60
CAPACITY = 10_000
_REQUIRED = ("exp", "iss", "aud", "sub", "role")


class Claims(BaseModel):
    """What a verified token says, as far as it matters here. `app_metadata` is written by the server alone."""

    model_config = ConfigDict(frozen=True)

    sub: uuid.UUID
    role: str
    exp: float
    email: str | None = None
    app_metadata: dict[str, Any] = {}


def issuer_of(supabase_url: str) -> str:
    """The `iss` of a project's tokens."""
    return f"{supabase_url.rstrip('/')}/auth/v1"


class TokenVerifier:
    """Checks a token's signature and claims. `keys` verify ES256 and RS256; `secret`, where there is one, HS256.

    A token that held is not verified again for `REMEMBERED_S`, unless it expires: the signature is most of the work
    that a request means for the web tier. Only hashes of tokens are kept.
    """

    def __init__(
        self, *, issuer: str, keys: KeySet, secret: str | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._issuer = issuer
        self._keys = keys
        self._secret = secret
        self._clock = clock
        self._held: OrderedDict[bytes, tuple[float, Claims]] = OrderedDict()

    async def verify(self, token: str) -> Claims:
        """Raises `Unauthenticated` with the reason, `Unavailable` when the keys cannot be had."""
        if len(token) > LONGEST_TOKEN:
            raise Unauthenticated("the token is longer than any that was issued here")
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        verified_at, claims = self._held.get(digest, (float("-inf"), None))
        now = self._clock()
        if claims is None or now - verified_at >= REMEMBERED_S or now >= claims.exp + LEEWAY_S:
            self._held.pop(digest, None)
            claims = await self._verify(token)
            self._held[digest] = (now, claims)
            while len(self._held) > CAPACITY:
                self._held.popitem(last=False)
        return claims

    async def _verify(self, token: str) -> Claims:
        try:
            header = jwt.get_unverified_header(token)
            key, algorithms = await self._key_for(header)
            claims = jwt.decode(
                token,
                key,
                algorithms=algorithms,
                audience=AUDIENCE,
                issuer=self._issuer,
                leeway=LEEWAY_S,
                options={"require": list(_REQUIRED)},
            )
            verified = Claims.model_validate(claims)
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("the token has expired; refresh it") from None
        except jwt.PyJWTError as error:
            raise Unauthenticated(f"the token does not hold: {_in_words(error)}") from None
        except (ValidationError, ValueError):
            raise Unauthenticated("the token does not hold: its claims are malformed") from None
        if verified.role != ROLE:
            raise Unauthenticated("the token is not a user's: only tokens of signed-in users are taken")
        return verified

    async def _key_for(self, header: Mapping[str, Any]) -> tuple[jwt.PyJWK | str, Sequence[str]]:
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm == "HS256" and self._secret is not None:
            return self._secret, ["HS256"]
        if algorithm not in ALGORITHMS.values():
            raise Unauthenticated(f"the token does not hold: algorithm {str(algorithm)[:20]!r} is not taken here")
        key = await self._keys.key(kid) if isinstance(kid, str) else None
        if key is None:
            raise Unauthenticated("the token does not hold: it was signed with a key that is not known here")
        return key, [key.algorithm_name]


class TokenSigner:
    """Issues short-lived tokens that the database takes for a user: an API key acts as its user, never as more.

    The key is an ES256 private JWK (imported into the project as a signing key), or the project's HS256 secret.
    """

    def __init__(self, *, issuer: str, jwk: str | None = None, secret: str | None = None) -> None:
        if jwk is not None:
            signing_key = jwt.PyJWK.from_json(jwk)
            self._key: Any = signing_key.key
            self._algorithm = "ES256"
            self._headers = {"kid": signing_key.key_id} if signing_key.key_id else {}
        elif secret is not None:
            self._key, self._algorithm, self._headers = secret, "HS256", {}
        else:
            raise ValueError("API keys need JWT_SIGNING_KEY (an ES256 private JWK) or SUPABASE_JWT_SECRET")
        self._issuer = issuer

    def sign(self, user_id: str, *, lifetime_s: float, claims: Mapping[str, Any] | None = None) -> str:
        """A token for `user_id`; `claims` are added to those that every token has."""
        now = int(time.time())
        standard = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "role": ROLE,
            "sub": user_id,
            "iat": now,
            "exp": now + int(lifetime_s),
        }
        return jwt.encode({**(claims or {}), **standard}, self._key, self._algorithm, self._headers)


def _in_words(error: jwt.PyJWTError) -> str:
    match error:
        case jwt.InvalidAudienceError():
            return f"its audience is not {AUDIENCE!r}"
        case jwt.InvalidIssuerError():
            return "it was issued by someone else"
        case jwt.InvalidSignatureError():
            return "its signature is wrong"
        case jwt.MissingRequiredClaimError(claim=claim):
            return f"it has no {claim!r}"
        case jwt.ImmatureSignatureError():
            return "it is not valid yet"
        case _:
            return "it is not a well-formed JWT"
