"""Callers and stores over the stack of `tests.database_fixtures`."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from functions.callers import ACTOR, Caller
from functions.database import Database
from functions.ledger import Ledger, Work
from functions.sessions import NewSession, Session, SessionStore
from infra.settings import LimitSettings
from tests.database_fixtures import Stack

ALL_SCOPES = frozenset({"read", "generate", "admin"})


# Wide enough that a test meets the one limit that it is about.
WIDE = LimitSettings(
    reads_per_minute=1000,
    generations_per_minute=1000,
    expensive_per_hour=1000,
    concurrent_generations=1000,
    daily_budget_usd=1000.0,
    monthly_budget_usd=1000.0,
)


def work(usd: float = 0.01, **more: Any) -> Work:
    return Work("generate", "local", "a-model", "cpu", usd, **more)


@dataclass(frozen=True)
class People:
    """Makes callers on demand, with tokens as the auth service and as this server would sign them."""

    stack: Stack
    acting_tokens: dict[str, str] = field(default_factory=dict)

    async def new(self, *, operator: bool = False) -> Caller:
        user = await self.stack.user(**({"operator": True} if operator else {}))
        return Caller(user.id, user.token, None, ALL_SCOPES, operator=operator, email=user.email)

    def acting(self, caller: Caller) -> str:
        """An `ActingToken`."""
        known = f"{caller.user_id} {caller.key_id}"
        if known not in self.acting_tokens:
            claims = {"act": {"sub": ACTOR}, "email": caller.email}
            self.acting_tokens[known] = self.stack.token(caller.user_id, lifetime_s=60, **claims)
        return self.acting_tokens[known]


@pytest.fixture
async def data(stack: Stack) -> AsyncIterator[Database]:
    database = Database(stack.url, stack.gateway.keys.anon_key, timeout_s=10)
    yield database
    await database.close()


@pytest.fixture
def people(stack: Stack) -> People:
    return People(stack)


@pytest.fixture
async def alice(people: People) -> Caller:
    return await people.new()


@pytest.fixture
async def bob(people: People) -> Caller:
    return await people.new()


@pytest.fixture
def sessions(data: Database) -> SessionStore:
    return SessionStore(data)


@pytest.fixture
async def session(sessions: SessionStore, alice: Caller) -> Session:
    """Alice's, with one open hole."""
    ir = {
        "intent": {"summary": "reverse the words of a sentence"},
        "signature": {"name": "reverse_words"},
        "holes": [{"id": "h1", "kind": "intent", "question": "and punctuation?"}],
    }
    return await sessions.create(alice, NewSession(prompt="reverse words", current_ir=ir))


@pytest.fixture
def ledger(data: Database, people: People) -> Ledger:
    return Ledger(data, people.acting, WIDE)
