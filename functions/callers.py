"""Who is asking: what the routes know of a caller, and how this server vouches for one to the database."""

from collections.abc import Callable
from dataclasses import dataclass

ACTOR = "lift-sys"
"""The `sub` of the `act` claim in tokens that this server acts with (RFC 8693, section 4.1)."""


@dataclass(frozen=True)
class Caller:
    """A user, by a session token or by an API key.

    `token` is a JWT that the database accepts for this user: row-level security decides by it. It is never the
    service key. `scopes` are among read, generate and admin. `key_id` is None unless an API key was used.
    """

    user_id: str
    token: str
    key_id: str | None
    scopes: frozenset[str]
    operator: bool = False
    email: str | None = None


ActingToken = Callable[[Caller], str]
"""A short-lived token of the caller with the claim `{"act": {"sub": ACTOR}}`.

Everybody can call the database's functions with their own token. Those that take money or limits at the caller's word
(`admit`, `settle`, ...) therefore run only for tokens that say that this server is asking on the user's behalf, which
nobody else can sign.
"""
