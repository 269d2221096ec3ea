"""Fault injection: a job that is killed at one of its steps, before or after the step took effect."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from functions.database import Database
from functions.usage_outbox import UsageOutbox
from functions.webhooks import Webhooks


class Killed(BaseException):
    """Nothing of the program runs after it: what it catches are exceptions."""


class Steps:
    """Counts what reaches the outside world: calls of the database, posts, files. Kills at one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken = 0
        self.kill_at: int | None = None
        self.before = True
        for owner, name in ((Database, "call"), (Webhooks, "post"), (UsageOutbox, "remove"), (UsageOutbox, "put")):
            self._wrap(monkeypatch, owner, name)

    def _wrap(self, monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> None:
        original: Callable[..., Awaitable[Any]] = getattr(owner, name)

        async def step(*arguments: Any, **named: Any) -> Any:
            number = self.taken
            self.taken += 1
            # Dead is dead: what is tried after it, such as noting how a run ended, does not happen either.
            if self.kill_at is not None and (number > self.kill_at or (number == self.kill_at and self.before)):
                raise Killed
            answer = await original(*arguments, **named)
            if number == self.kill_at:
                raise Killed
            return answer

        monkeypatch.setattr(owner, name, step)

    async def run(self, job: Callable[[], Awaitable[Any]], *, kill_at: int | None = None, before: bool = True) -> bool:
        """Whether it came to its end."""
        self.taken, self.kill_at, self.before = 0, kill_at, before
        try:
            await job()
        except Killed:
            return False
        finally:
            self.kill_at = None
        return True
