"""Tokens that this server signs for its users' work: whose they are, how long they are good, and how often signed."""

import time
from dataclasses import replace
from typing import Any

import jwt
import pytest

from endpoints import acting
from endpoints.acting import LIFETIME_S, REUSED_S, ActingTokens, LastingTokens
from endpoints.tokens import TokenSigner
from functions.callers import ACTOR, Caller

SECRET = "a shared secret of the project, long enough"
SIGNER = TokenSigner(issuer="http://project.test/auth/v1", secret=SECRET)
ANNA = Caller("00000000-0000-4000-8000-00000000000a", "anna's own", None, frozenset({"read"}), email="anna@b.test")
BODO = replace(ANNA, user_id="00000000-0000-4000-8000-00000000000b")
BY_KEY = replace(ANNA, key_id="a key")


class Hand:
    """A clock that a test turns."""

    at = 1000.0

    def __call__(self) -> float:
        return self.at


def claims_of(token: str) -> dict[str, Any]:
    return jwt.decode(token, SECRET, ["HS256"], audience="authenticated", options={"verify_iat": False})


def test_it_says_that_this_server_acts_and_for_whom():
    tokens = ActingTokens(SIGNER)
    for caller in (ANNA, BODO, BY_KEY):
        claims = claims_of(tokens.token(caller))
        assert (claims["sub"], claims["key_id"]) == (caller.user_id, caller.key_id)
        assert claims["act"] == {"sub": ACTOR}
        assert claims["exp"] - time.time() == pytest.approx(LIFETIME_S, abs=5)


def test_one_is_signed_for_half_of_its_lifetime_for_each_caller():
    hand = Hand()
    tokens = ActingTokens(TokenSigner(issuer="x", secret=SECRET), clock=hand)
    first = {caller: tokens.token(caller) for caller in (ANNA, BODO, BY_KEY)}
    assert len(set(first.values())) == 3
    hand.at += LIFETIME_S / 2
    assert {caller: tokens.token(caller) for caller in first} == first
    known = tokens._tokens._tokens.copy()
    hand.at += 1
    tokens.token(ANNA)
    changed = {subject for subject, kept in tokens._tokens._tokens.items() if known[subject] != kept}
    assert changed == {(ANNA.user_id, None)}, "signed anew, and nobody else's"


def test_of_many_callers_the_latest_are_remembered(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(acting, "CAPACITY", 2)
    hand = Hand()
    tokens = ActingTokens(SIGNER, clock=hand)
    for caller in (ANNA, BODO):
        tokens.token(caller)
    hand.at += LIFETIME_S
    tokens.token(ANNA)
    tokens.token(BY_KEY)
    assert [*tokens._tokens._tokens] == [(ANNA.user_id, None), (ANNA.user_id, "a key")]


def test_a_lasting_one_is_good_for_the_whole_work_whenever_in_its_minute_that_is_begun():
    hand = Hand()
    tokens = LastingTokens(SIGNER, 500, clock=hand)
    lasting = tokens.caller(BY_KEY)
    assert replace(lasting, token=BY_KEY.token) == BY_KEY
    claims = claims_of(lasting.token)
    assert (claims["sub"], claims["key_id"], claims["email"]) == (ANNA.user_id, "a key", "anna@b.test")
    assert claims["exp"] - time.time() == pytest.approx(500 + REUSED_S, abs=5)
    hand.at += REUSED_S
    assert tokens.caller(BY_KEY) == lasting
    for other in (ANNA, BODO, replace(BY_KEY, email="new@b.test")):
        assert claims_of(tokens.caller(other).token)["email"] == other.email
