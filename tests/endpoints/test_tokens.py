import base64
import hashlib
import hmac
import json
import time
import uuid
from typing import Any

import jwt
import pytest

from endpoints import tokens
from endpoints.jwks import KeySet
from endpoints.tokens import Claims, TokenSigner, TokenVerifier, issuer_of
from functions.failures import Unauthenticated
from tests.endpoints.signing import PrivateKey, private_jwk, public_jwk, rsa_key, signing_key

ISSUER = issuer_of("http://project.test/")
SECRET = "a shared secret of the project, long enough"
USER = str(uuid.uuid4())
EC, RSA = signing_key(), rsa_key()


async def _fetch() -> dict[str, Any]:
    return {"keys": [public_jwk(EC, "ec"), public_jwk(RSA, "rsa")]}


def verifier(*, secret: str | None = None) -> TokenVerifier:
    return TokenVerifier(issuer=ISSUER, keys=KeySet(_fetch), secret=secret)


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    standard = {
        "iss": ISSUER,
        "aud": "authenticated",
        "role": "authenticated",
        "sub": USER,
        "iat": now,
        "exp": now + 60,
        "email": "a@b.test",
    }
    return {k: v for k, v in {**standard, **changes}.items() if v is not None}


def token(key: PrivateKey | str = EC, algorithm: str = "ES256", kid: str | None = "ec", **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm, {"kid": kid} if kid else None)


async def test_tokens_of_both_kinds_of_published_keys_hold():
    for held in (token(), token(RSA, "RS256", "rsa")):
        verified = await verifier().verify(held)
        assert str(verified.sub) == USER
        assert verified.email == "a@b.test"


async def test_the_shared_secret_holds_where_there_is_one():
    shared = token(SECRET, "HS256", None)
    assert str((await verifier(secret=SECRET).verify(shared)).sub) == USER
    with pytest.raises(Unauthenticated, match="HS256"):
        await verifier().verify(shared)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"exp": 1}, "expired"),
        ({"exp": int(time.time()) - 31}, "expired"),
        ({"nbf": int(time.time()) + 3600}, "not valid yet"),
        ({"iss": "http://elsewhere.test/auth/v1"}, "someone else"),
        ({"aud": "anon"}, "audience"),
        ({"role": "service_role"}, "not a user's"),
        ({"role": "anon"}, "not a user's"),
        ({"sub": "42"}, "malformed"),
        ({"app_metadata": "operator"}, "malformed"),
        *(({name: None}, f"no '{name}'") for name in ("exp", "iss", "aud", "sub", "role")),
    ],
)
async def test_claims_that_do_not_hold_are_refused_with_the_reason(changes: dict[str, Any], said: str):
    with pytest.raises(Unauthenticated, match=said):
        await verifier().verify(token(**changes))


async def test_clocks_may_differ_by_half_a_minute():
    now = int(time.time())
    assert await verifier().verify(token(exp=now - 25, iat=now + 25, nbf=now + 25))


async def test_a_public_key_is_never_taken_for_a_shared_secret():
    """The confusion of algorithms (RFC 8725, section 2.1): HS256 over the published key's text."""
    published = json.dumps(public_jwk(EC, "ec")).encode()
    body = ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in ({"alg": "HS256", "typ": "JWT", "kid": "ec"}, claims())
    )
    signature = base64.urlsafe_b64encode(hmac.digest(published, body.encode(), hashlib.sha256)).rstrip(b"=").decode()
    for checking in (verifier(), verifier(secret=SECRET)):
        with pytest.raises(Unauthenticated):
            await checking.verify(f"{body}.{signature}")


async def test_the_key_decides_the_algorithm():
    for crossed in (token(EC, "ES256", "rsa"), token(RSA, "RS256", "ec"), token(RSA, "RS512", "rsa")):
        with pytest.raises(Unauthenticated):
            await verifier().verify(crossed)


@pytest.mark.parametrize("kid", ["another", "", None])
async def test_a_key_that_is_not_published_verifies_nothing(kid: str | None):
    with pytest.raises(Unauthenticated, match="not known here"):
        await verifier(secret=SECRET).verify(token(kid=kid))


async def test_an_unsigned_token_is_nothing():
    unsigned = jwt.encode(claims(), None, "none", {"kid": "ec"})
    with pytest.raises(Unauthenticated, match="'none' is not taken"):
        await verifier().verify(unsigned)


@pytest.mark.parametrize("nonsense", ["", ".", "a.b.c", "x" * 10_000, "e30.e30.", "\x00", "é.é.é"])
async def test_what_is_no_token_is_refused(nonsense: str):
    with pytest.raises(Unauthenticated):
        await verifier(secret=SECRET).verify(nonsense)


async def test_a_token_with_another_byte_does_not_hold():
    held = token()
    head, body, signature = held.split(".")
    with pytest.raises(Unauthenticated, match="signature"):
        await verifier().verify(f"{head}.{body}.{signature[:-4]}AAAA")


class Verified(TokenVerifier):
    """Counts how often a signature is really looked at."""

    count = 0

    async def _verify(self, token: str) -> Claims:
        self.count += 1
        return await super()._verify(token)


async def test_a_token_that_held_is_trusted_for_a_minute_and_never_beyond_its_expiry():
    now = time.time()
    checking = Verified(issuer=ISSUER, keys=KeySet(_fetch), clock=lambda: now)
    lasting, ending = token(), token(exp=int(now) - 10)  # the second holds by the skew of clocks alone
    for _ in range(3):
        await checking.verify(lasting)
        await checking.verify(ending)
    assert checking.count == 2
    now += 21
    await checking.verify(lasting)
    await checking.verify(ending)
    assert checking.count == 3
    now += 40
    await checking.verify(lasting)
    assert checking.count == 4
    assert lasting not in str(checking._held)


async def test_a_token_that_is_issued_here_holds_here():
    for signer in (
        TokenSigner(issuer=ISSUER, jwk=private_jwk(EC, "ec")),
        TokenSigner(issuer=ISSUER, secret=SECRET),
    ):
        issued = signer.sign(USER, lifetime_s=300, claims={"role": "service_role", "key_id": "k1"})
        verified = await verifier(secret=SECRET).verify(issued)
        assert str(verified.sub) == USER
        assert verified.role == "authenticated"
        assert verified.exp == pytest.approx(time.time() + 300, abs=5)
        assert jwt.decode(issued, options={"verify_signature": False})["key_id"] == "k1"


def test_a_signer_needs_something_to_sign_with():
    with pytest.raises(ValueError, match="JWT_SIGNING_KEY"):
        TokenSigner(issuer=ISSUER)


async def test_a_token_longer_than_any_is_not_even_read():
    with pytest.raises(Unauthenticated, match="longer than any"):
        await verifier().verify("x" * 8193)
    with pytest.raises(Unauthenticated, match="not a well-formed"):
        await verifier().verify("x" * 8192)


async def test_of_many_tokens_the_latest_are_remembered(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tokens, "CAPACITY", 2)
    checking = Verified(issuer=ISSUER, keys=KeySet(_fetch))
    first, second, third = (token(email=f"{name}@b.test") for name in "abc")
    for held in (first, second, third, third, second):
        await checking.verify(held)
    assert checking.count == 3
    await checking.verify(first)
    assert checking.count == 4


async def test_a_token_that_did_not_hold_is_not_remembered():
    checking = verifier()
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await checking.verify(token(aud="anon"))
    assert not checking._held


def test_a_key_of_ours_is_named_where_it_has_a_name():
    for name in ("ours", None):
        jwk = json.loads(private_jwk(EC, "ours"))
        if name is None:
            del jwk["kid"]
        issued = TokenSigner(issuer=ISSUER, jwk=json.dumps(jwk)).sign(USER, lifetime_s=5)
        assert jwt.get_unverified_header(issued).get("kid") == name
        claimed = jwt.decode(issued, options={"verify_signature": False})
        assert claimed["exp"] - claimed["iat"] == 5
        assert claimed["iat"] == pytest.approx(time.time(), abs=5)
