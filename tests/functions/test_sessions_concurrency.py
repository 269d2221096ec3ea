"""Many writers at once, and any order of writes: no update is lost, no version skipped."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from functions.callers import Caller
from functions.failures import Conflict, NotFound, StaleVersion
from functions.sessions import NewSession, Session, SessionChanges, SessionStore


async def test_of_200_writers_each_is_stored_or_told_it_was_not(sessions: SessionStore, alice: Caller):
    session = await sessions.create(alice, NewSession(prompt="0"))

    async def write(number: int) -> tuple[int, str] | None:
        seen = await sessions.get(alice, session.id)
        changes = SessionChanges(prompt=str(number))
        try:
            saved = await sessions.save(alice, session.id, expected_version=seen.version, changes=changes)
        except StaleVersion:
            return None
        assert saved.version == seen.version + 1
        return saved.version, saved.prompt

    stored = dict(filter(None, await asyncio.gather(*(write(number) for number in range(1, 201)))))
    final = await sessions.get(alice, session.id)
    assert sorted(stored) == list(range(2, final.version + 1)), "a version was skipped or given twice"
    for version, prompt in stored.items():
        assert (await sessions.version(alice, session.id, version)).prompt == prompt
    events = await sessions.events(alice, session.id, limit=1000)
    assert [event.data["version"] for event in events] == list(range(1, final.version + 1))


async def test_writers_that_try_again_all_get_through(sessions: SessionStore, alice: Caller):
    session = await sessions.create(alice, NewSession(prompt="x", metadata={"seen": []}))

    async def append(number: int) -> None:
        while True:
            now = await sessions.get(alice, session.id)
            changes = SessionChanges(metadata={"seen": [*now.metadata["seen"], number]})
            try:
                await sessions.save(alice, session.id, expected_version=now.version, changes=changes)
            except StaleVersion:
                continue
            return

    await asyncio.gather(*(append(number) for number in range(20)))
    final = await sessions.get(alice, session.id)
    assert sorted(final.metadata["seen"]) == list(range(20))
    assert final.version == 21


async def test_a_reader_that_follows_misses_no_event(sessions: SessionStore, alice: Caller):
    session = await sessions.create(alice, NewSession(prompt="0"))
    writing = asyncio.gather(*(_write_until_stored(sessions, alice, session.id) for _ in range(20)))
    seen: list[int] = []
    last = 0
    while len(seen) < 21:
        for event in await sessions.events(alice, session.id, after=last, limit=3):
            last = event.id
            seen.append(event.data["version"])
    await writing
    assert seen == list(range(1, 22))


async def _write_until_stored(sessions: SessionStore, caller: Caller, session_id: str) -> None:
    version = 1
    while True:
        try:
            await sessions.save(caller, session_id, expected_version=version, changes=SessionChanges(prompt="x"))
        except StaleVersion as stale:
            version = stale.current
        else:
            return


HOLES = st.lists(st.sampled_from(["h1", "h2", "h3"]), unique=True, max_size=3)


class Versions(RuleBasedStateMachine):
    """The store against a list of what each version should hold."""

    def __init__(self, loop: asyncio.AbstractEventLoop, sessions: SessionStore, caller: Caller) -> None:
        super().__init__()
        self.loop = loop
        self.sessions = sessions
        self.caller = caller
        self.versions: list[dict[str, Any]] = []

    def run(self, call: Any) -> Any:
        return self.loop.run_until_complete(call)

    @property
    def top(self) -> dict[str, Any]:
        return self.versions[-1]

    @property
    def here(self) -> dict[str, int]:
        return {"expected_version": len(self.versions)}

    @initialize(prompt=st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=20), holes=HOLES)
    def create(self, prompt: str, holes: list[str]) -> None:
        ir = {"holes": [{"id": hole} for hole in holes]}
        created = self.run(self.sessions.create(self.caller, NewSession(prompt=prompt, current_ir=ir)))
        self.id = created.id
        self.versions = [{"prompt": prompt, "open": holes, "code": None, "status": "active"}]

    @rule(prompt=st.text("ab", max_size=3))
    def save_prompt(self, prompt: str) -> None:
        call = self.sessions.save(self.caller, self.id, **self.here, changes=SessionChanges(prompt=prompt))
        if self.top["status"] != "active" and prompt != self.top["prompt"]:
            with pytest.raises(Conflict):
                self.run(call)
        else:
            self.run(call)
            self.versions.append(self.top | {"prompt": prompt})

    @rule(code=st.none() | st.text("ab", max_size=3))
    def save_code(self, code: str | None) -> None:
        self.run(self.sessions.save(self.caller, self.id, **self.here, changes=SessionChanges(generated_code=code)))
        self.versions.append(self.top | {"code": code})

    @rule(behind=st.integers(1, 5), ahead=st.booleans())
    def save_from_another_version(self, behind: int, ahead: bool) -> None:  # noqa: FBT001 - hypothesis passes by name
        version = len(self.versions) + (behind if ahead else -behind)
        changes = SessionChanges(prompt="lost")
        write = self.sessions.save(self.caller, self.id, expected_version=version, changes=changes)
        with pytest.raises(StaleVersion) as stale:
            self.run(write)
        assert stale.value.current == len(self.versions)

    @rule(hole=st.sampled_from(["h1", "h2", "h3"]))
    def resolve(self, hole: str) -> None:
        call = self.sessions.resolve_hole(self.caller, self.id, hole, **self.here, answer="a")
        if hole not in self.top["open"]:
            with pytest.raises(NotFound):
                self.run(call)
        elif self.top["status"] != "active":
            with pytest.raises(Conflict):
                self.run(call)
        else:
            self.run(call)
            self.versions.append(self.top | {"open": [other for other in self.top["open"] if other != hole]})

    @rule(back=st.integers(0, 10))
    def rollback(self, back: int) -> None:
        target = max(1, len(self.versions) - back)
        self.run(self.sessions.rollback(self.caller, self.id, **self.here, to_version=target))
        self.versions.append(self.versions[target - 1] | {"status": "active"})

    @rule()
    def finalize(self) -> None:
        call = self.sessions.finalize(self.caller, self.id, **self.here)
        if self.top["status"] == "abandoned" or (self.top["status"] == "active" and self.top["open"]):
            with pytest.raises(Conflict):
                self.run(call)
        else:
            self._closed(self.run(call), "finalized")

    @precondition(lambda self: self.top["status"] != "finalized")
    @rule()
    def abandon(self) -> None:
        self._closed(self.run(self.sessions.abandon(self.caller, self.id, **self.here)), "abandoned")

    def _closed(self, session: Session, status: str) -> None:
        if self.top["status"] != status:
            self.versions.append(self.top | {"status": status})
        assert session.status == status

    @invariant()
    def the_current_version_is_the_last(self) -> None:
        if self.versions:
            session = self.run(self.sessions.get(self.caller, self.id))
            assert session.version == len(self.versions)
            assert (session.prompt, session.generated_code, session.status) == (
                self.top["prompt"], self.top["code"], self.top["status"]
            )  # fmt: skip
            assert [hole["id"] for hole in session.holes] == self.top["open"]

    def teardown(self) -> None:
        for number, expected in enumerate(self.versions, 1):
            stored = self.run(self.sessions.version(self.caller, self.id, number))
            assert (stored.prompt, stored.code_snapshot, stored.status) == (
                expected["prompt"], expected["code"], expected["status"]
            )  # fmt: skip
            assert [hole["id"] for hole in stored.holes] == expected["open"]


@pytest.fixture
async def loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def test_versions_are_a_list_that_only_grows(loop: asyncio.AbstractEventLoop, sessions: SessionStore, alice: Caller):
    quick = settings(
        max_examples=25, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    run_state_machine_as_test(lambda: Versions(loop, sessions, alice), settings=quick)
