"""Tokens by which this server tells the database that it is the one who asks, on a user's behalf."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from typing import Any

from endpoints.tokens import TokenSigner
from functions.callers import ACTOR, Caller

LIFETIME_S = 300
REUSED_S = 60
"""A token for long work is given to all that its caller begins in this time."""
CAPACITY = 10_000


class _SignedTokens:
    """One token for each subject, used for `reused_s` and good for `lifetime_s`: a signature costs as much as a route.

    It is signed again when work ends long after it began.
    """

    def __init__(
        self, signer: TokenSigner, lifetime_s: float, reused_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._signer = signer
        self._lifetime_s = lifetime_s
        self._reused_s = reused_s
        self._clock = clock
        self._tokens: OrderedDict[Hashable, tuple[float, str]] = OrderedDict()

    def token(self, user_id: str, claims: Mapping[str, Any], subject: Hashable) -> str:
        """`claims` are the same whenever `subject` is."""
        signed_at, token = self._tokens.get(subject, (float("-inf"), ""))
        if self._clock() - signed_at > self._reused_s:
            token = self._signer.sign(user_id, lifetime_s=self._lifetime_s, claims=claims)
            self._tokens[subject] = (self._clock(), token)
            self._tokens.move_to_end(subject)
            while len(self._tokens) > CAPACITY:
                self._tokens.popitem(last=False)
        return token


class ActingTokens:
    """For the ledger: settling does not depend on the user's own token."""

    def __init__(self, signer: TokenSigner, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._tokens = _SignedTokens(signer, LIFETIME_S, LIFETIME_S / 2, clock)

    def token(self, caller: Caller) -> str:
        """A token of the caller's user with the claim that this server acts (RFC 8693, section 4.1)."""
        claims = {"act": {"sub": ACTOR}, "key_id": caller.key_id}
        return self._tokens.token(caller.user_id, claims, (caller.user_id, caller.key_id))


class LastingTokens:
    """For work that takes long: its results are stored although the token that it was ordered with has run out."""

    def __init__(self, signer: TokenSigner, lifetime_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._tokens = _SignedTokens(signer, lifetime_s + REUSED_S, REUSED_S, clock)

    def caller(self, caller: Caller) -> Caller:
        """The same caller with a token of ours that lasts as long as any request may. It never leaves the server."""
        claims = {"key_id": caller.key_id, "email": caller.email}
        subject = (caller.user_id, caller.key_id, caller.email)
        return replace(caller, token=self._tokens.token(caller.user_id, claims, subject))
