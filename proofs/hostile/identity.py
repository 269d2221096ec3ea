"""Credentials that do not hold, and things that a caller's word does not make theirs."""

import base64
import json
from collections.abc import Iterator
from typing import Any

from proofs.hostile.inputs import JSON, Input, request

SUBJECT = "00000000-0000-4000-8000-000000000001"
CLAIMS = {
    "sub": SUBJECT,
    "role": "authenticated",
    "aud": "authenticated",
    "iss": "http://x/auth/v1",
    "exp": 4_000_000_000,
}

REFUSED = {401, 431}
"""Not 429: whoever sends these waits until strangers of the address are looked at again (`proofs.hostile.proof`)."""
HEADERS: list[dict[str, Any]] = [
    {"alg": "none"},
    {"alg": "None", "typ": "JWT"},
    {"alg": "nOnE"},
    {"alg": "HS256", "typ": "JWT"},
    {"alg": "HS256", "kid": "../../../dev/null"},
    {"alg": "ES256", "kid": "nope"},
    {"alg": "ES256", "kid": 5},
    {"alg": "ES256", "kid": "a" * 5_000},
    {"alg": "RS256", "jku": "http://127.0.0.1:1/jwks"},
    {"alg": "RS256", "x5u": "http://169.254.169.254/"},
    {"alg": "ES256", "jwk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}},
    {"alg": ["ES256"]},
    {"alg": {}},
    {"alg": "ES256", "crit": ["exp"]},
    {"alg": "ES256", "zip": "DEF"},
    {},
]
PLAIN = [
    "",
    " ",
    "x",
    "lsk_",
    "lsk_x",
    "lsk_" + "a" * 43,
    "lsk_" + "a" * 300,
    "lsk_'; drop table api_keys; --",
    "..",
    "a.b.c",
    "a.b.c.d",
]
PLAIN += [
    "." * 9_000,
    "a" * 20_000,
    "\u00e4\u00f6",
    "null",
    "undefined",
    "Bearer x",
    "eyJ",
    "eyJhbGciOiJub25lIn0..",
    "lsk_\u0000",
]

CLAIM_SETS: list[dict[str, Any]] = [
    CLAIMS,
    {**CLAIMS, "role": "service_role"},
    {**CLAIMS, "app_metadata": {"operator": True}},
    {},
]
GRABS: list[tuple[str, str, dict[str, Any]]] = [
    ("PATCH", "/api/me", {"operator": True}),
    ("PATCH", "/api/me", {"preferences": {}, "limits": {"reads": 9}}),
    ("PATCH", "/api/me", {"id": SUBJECT}),
    ("POST", "/api/keys", {"name": "a", "scopes": ["read"], "user_id": SUBJECT}),
    ("POST", "/api/keys", {"name": "a", "scopes": ["operator"]}),
    ("POST", "/api/keys", {"name": "a", "scopes": ["read"], "key": "lsk_mine"}),
    ("POST", "/api/sessions", {"prompt": "x", "until": "ir", "user_id": SUBJECT}),
    ("POST", "/api/sessions", {"prompt": "x", "until": "ir", "status": "finalized"}),
    ("POST", "/api/generate", {"prompt": "x", "cost_usd": 0}),
    ("POST", "/api/generate", {"prompt": "x", "caller": {"user_id": SUBJECT}}),
]


def inputs() -> Iterator[Input]:
    for header in HEADERS:
        for number, claims in enumerate(CLAIM_SETS):
            for signature in ("", "AA"):
                token = f"{_part(header)}.{_part(claims)}.{signature}"
                name = f"token {json.dumps(header):.40} {number} {signature}"
                yield request(
                    name, "credentials", REFUSED, method="GET", path="/api/sessions", headers={}, credentials=token
                )
    for credential in PLAIN:
        name = f"credential {credential[:20]!r} of {len(credential)}"
        expected = {400, *REFUSED}
        yield request(
            name, "credentials", expected, method="GET", path="/api/keys", headers={}, credentials=credential or " "
        )
        yield request(
            f"X-API-Key {name}",
            "credentials",
            expected,
            method="GET",
            path="/api/keys",
            headers={"x-api-key": credential},
            credentials="",
        )
    for scheme in ("Basic YTpi", "Digest x", "Negotiate x", "bearer", "Token x", "AWS4-HMAC-SHA256 x"):
        headers = {"authorization": scheme}
        yield request(
            f"scheme {scheme[:8]}",
            "credentials",
            REFUSED,
            method="GET",
            path="/api/keys",
            headers=headers,
            credentials="",
        )
    twice = {"authorization": "Bearer x"}
    yield request("two credentials", "credentials", REFUSED, method="GET", path="/api/keys", headers=twice)
    for method, path, body in GRABS:
        yield request(
            f"grab {path} {sorted(body)}", "mass assignment", {400, 403, 422}, method=method, path=path, body=body
        )
    for number in range(20):
        forged = {**JSON, "x-forwarded-for": f"203.0.113.{number}", "x-real-ip": f"203.0.113.{number}"}
        yield request(
            f"forged address {number}",
            "credentials",
            REFUSED,
            method="GET",
            path="/api/sessions",
            headers=forged,
            credentials="x",
        )


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
