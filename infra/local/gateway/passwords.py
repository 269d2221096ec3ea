"""Passwords as scrypt hashes (RFC 7914), in the PHC string format."""

import asyncio
import base64
import hashlib
import hmac
import secrets

LOG_N, R, P = 14, 8, 1  # 16 MiB and about 50 ms
PREFIX = f"$scrypt$ln={LOG_N},r={R},p={P}$"


async def hashed(password: str) -> str:
    """A new hash, with a salt of its own."""
    return await asyncio.to_thread(_hashed, password, secrets.token_bytes(16))


async def matches(password: str, known: str | None) -> bool:
    """Whether `known` is a hash of `password`. Takes as long when there is none to compare with."""
    stored = known if known and known.startswith(PREFIX) else PREFIX + "AAAA$"
    salt = base64.b64decode(stored.removeprefix(PREFIX).partition("$")[0])
    return hmac.compare_digest(await asyncio.to_thread(_hashed, password, salt), stored)


def _hashed(password: str, salt: bytes) -> str:
    digest = hashlib.scrypt(password.encode(), salt=salt, n=1 << LOG_N, r=R, p=P)
    return f"{PREFIX}{base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
