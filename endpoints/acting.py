"""Tokens by which this server tells the database that it is the one who asks, on a user's behalf."""

import time
from collections import OrderedDict
from dataclasses import replace

from endpoints.tokens import TokenSigner
from functions.callers import ACTOR, Caller

LIFETIME_S = 300
CAPACITY = 10_000


class ActingTokens:
    """One token for each user and key, used for half its lifetime: a new one costs both sides a signature."""

    def __init__(self, signer: TokenSigner) -> None:
        self._signer = signer
        self._tokens: OrderedDict[tuple[str, str | None], tuple[float, str]] = OrderedDict()

    def token(self, caller: Caller) -> str:
        """A token of the caller's user with the claim that this server acts (RFC 8693, section 4.1).

        It is made anew when the work ends long after it began: settling does not depend on the user's own token.
        """
        subject = (caller.user_id, caller.key_id)
        signed_at, token = self._tokens.get(subject, (float("-inf"), ""))
        if time.monotonic() - signed_at > LIFETIME_S / 2:
            claims = {"act": {"sub": ACTOR}, "key_id": caller.key_id}
            token = self._signer.sign(caller.user_id, lifetime_s=LIFETIME_S, claims=claims)
            self._tokens[subject] = (time.monotonic(), token)
            self._tokens.move_to_end(subject)
            while len(self._tokens) > CAPACITY:
                self._tokens.popitem(last=False)
        return token


class LastingTokens:
    """For work that takes long: its results are stored although the token that it was ordered with has run out."""

    def __init__(self, signer: TokenSigner, lifetime_s: float) -> None:
        self._signer = signer
        self._lifetime_s = lifetime_s

    def caller(self, caller: Caller) -> Caller:
        """The same caller with a token of ours that lasts as long as any request may. It never leaves the server."""
        claims = {"key_id": caller.key_id, "email": caller.email}
        token = self._signer.sign(caller.user_id, lifetime_s=self._lifetime_s, claims=claims)
        return replace(caller, token=token)
