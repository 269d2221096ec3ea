"""Sessions through the real gateway, under the real policies."""

import uuid
from datetime import timedelta

import pytest

from functions.callers import Caller
from functions.database import Database
from functions.failures import Conflict, NotFound, Refused, StaleVersion
from functions.sessions import LONGEST_DESCRIPTION, NewSession, Session, SessionChanges, SessionStore
from tests.answering_database import answering


async def test_a_new_session_is_as_its_caller_left_it(sessions: SessionStore, alice: Caller):
    new = NewSession(prompt="add two numbers", current_ir={"holes": []}, metadata={"language": "python"})
    created = await sessions.create(alice, new)
    assert (created.version, created.status, created.generation_status) == (1, "active", "pending")
    assert created.role == "owner"
    assert created.metadata == {"language": "python"}
    assert await sessions.get(alice, created.id) == created


async def test_a_session_may_have_an_id_of_its_callers_choice_once(sessions: SessionStore, alice: Caller):
    new = NewSession(prompt="one", id=str(uuid.uuid4()))
    assert (await sessions.create(alice, new)).id == new.id
    with pytest.raises(Conflict):
        await sessions.create(alice, new)


@pytest.mark.parametrize("session_id", [str(uuid.uuid4()), "no uuid", "", "1 or 1=1"])
async def test_what_does_not_exist_is_not_found(sessions: SessionStore, alice: Caller, session_id: str):
    with pytest.raises(NotFound):
        await sessions.get(alice, session_id)


async def test_a_strangers_session_is_not_found_by_any_call(
    sessions: SessionStore, session: Session, alice: Caller, bob: Caller
):
    a = {"expected_version": 1}
    calls = [
        sessions.get(bob, session.id),
        sessions.save(bob, session.id, changes=SessionChanges(prompt="mine"), **a),
        sessions.delete(bob, session.id),
        sessions.history(bob, session.id),
        sessions.version(bob, session.id, 1),
        sessions.rollback(bob, session.id, to_version=1, **a),
        sessions.resolve_hole(bob, session.id, "h1", answer="x", **a),
        sessions.finalize(bob, session.id, **a),
        sessions.abandon(bob, session.id, **a),
        sessions.events(bob, session.id),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            await call
    assert (await sessions.list(bob)).items == []
    assert await sessions.get(alice, session.id) == session


async def test_an_id_that_is_none_is_said_to_be_no_sessions(sessions: SessionStore, alice: Caller):
    a = {"expected_version": 1}
    calls = [
        sessions.get(alice, "none"),
        sessions.save(alice, "none", changes=SessionChanges(prompt="mine"), **a),
        sessions.delete(alice, "none"),
        sessions.history(alice, "none"),
        sessions.version(alice, "none", 1),
        sessions.rollback(alice, "none", to_version=1, **a),
        sessions.resolve_hole(alice, "none", "h1", answer="x", **a),
        sessions.finalize(alice, "none", **a),
        sessions.abandon(alice, "none", **a),
        sessions.events(alice, "none"),
        sessions.position(alice, "none"),
    ]
    for call in calls:
        with pytest.raises(NotFound) as failed:
            await call
        assert failed.value.what == "session"


async def test_what_only_reads_is_asked_again_when_its_connection_breaks(alice: Caller):
    async with answering(lambda n: None if n == 1 else (200, b"[]")) as (database, requests):
        assert await SessionStore(database).events(alice, str(uuid.uuid4())) == []
        assert len(requests) == 2


async def test_a_save_changes_what_is_set_and_nothing_else(sessions: SessionStore, session: Session, alice: Caller):
    saved = await sessions.save(
        alice, session.id, expected_version=1, changes=SessionChanges(generated_code="x = 1"), description="code"
    )
    assert saved.version == 2
    assert saved.updated_at > session.updated_at
    changed = {"generated_code", "version", "updated_at"}
    assert saved.model_dump(exclude=changed) == session.model_dump(exclude=changed)
    cleared = await sessions.save(
        alice, session.id, expected_version=2, changes=SessionChanges(generated_code=None, current_ir=None)
    )
    assert (cleared.generated_code, cleared.current_ir, cleared.holes) == (None, None, [])


async def test_a_stale_write_is_refused_with_the_current_version(
    sessions: SessionStore, session: Session, alice: Caller
):
    await sessions.save(alice, session.id, expected_version=1, changes=SessionChanges(prompt="two"))
    stale = [
        sessions.save(alice, session.id, expected_version=1, changes=SessionChanges(prompt="three")),
        sessions.delete(alice, session.id, expected_version=1),
        sessions.rollback(alice, session.id, expected_version=1, to_version=1),
        sessions.resolve_hole(alice, session.id, "h1", expected_version=1, answer=""),
        sessions.abandon(alice, session.id, expected_version=1),
    ]
    for write in stale:
        with pytest.raises(StaleVersion) as refused:
            await write
        assert refused.value.current == 2


async def test_every_version_stays(sessions: SessionStore, session: Session, alice: Caller):
    for version in (1, 2, 3):
        changes = SessionChanges(prompt=f"prompt {version + 1}")
        await sessions.save(alice, session.id, expected_version=version, changes=changes, description=f"no {version}")
    first_page = await sessions.history(alice, session.id, limit=3)
    assert [item.version for item in first_page.items] == [4, 3, 2]
    assert first_page.items[0].change_description == "no 3"
    assert first_page.items[0].changed_by == alice.user_id
    last_page = await sessions.history(alice, session.id, limit=3, cursor=first_page.next_cursor)
    assert [item.version for item in last_page.items] == [1]
    assert last_page.next_cursor is None
    assert (await sessions.version(alice, session.id, 2)).prompt == "prompt 2"
    assert (await sessions.version(alice, session.id, 1)).ir_snapshot == session.current_ir
    with pytest.raises(NotFound):
        await sessions.version(alice, session.id, 5)


async def test_a_rollback_is_a_new_version(sessions: SessionStore, session: Session, alice: Caller):
    await sessions.save(
        alice,
        session.id,
        expected_version=1,
        changes=SessionChanges(prompt="else", current_ir=None, generated_code="x"),
    )
    back = await sessions.rollback(alice, session.id, expected_version=2, to_version=1)
    moved = {"version", "updated_at"}
    assert back.version == 3
    assert back.model_dump(exclude=moved) == session.model_dump(exclude=moved)
    with pytest.raises(NotFound, match="version"):
        await sessions.rollback(alice, session.id, expected_version=3, to_version=9)


async def test_a_resolved_hole_is_closed_and_its_answer_kept(sessions: SessionStore, session: Session, alice: Caller):
    with pytest.raises(NotFound, match="hole"):
        await sessions.resolve_hole(alice, session.id, "h2", expected_version=1, answer="?")
    with pytest.raises(Refused, match="null is no answer"):
        await sessions.resolve_hole(alice, session.id, "h1", expected_version=1, answer=None)
    resolved = await sessions.resolve_hole(alice, session.id, "h1", expected_version=1, answer={"keep": True})
    assert (resolved.version, resolved.holes) == (2, [])
    (resolution,) = resolved.resolutions
    assert (resolution["hole_id"], resolution["answer"], resolution["by"]) == ("h1", {"keep": True}, alice.user_id)
    answered = [{**session.holes[0], "answer": {"keep": True}}]
    assert resolved.current_ir == {**(session.current_ir or {}), "holes": answered}
    with pytest.raises(NotFound, match="hole"):
        await sessions.resolve_hole(alice, session.id, "h1", expected_version=2, answer="again")


async def test_a_resolution_may_bring_the_ir_that_follows_from_it(
    sessions: SessionStore, session: Session, alice: Caller
):
    new_ir = {"intent": {"summary": "new"}, "holes": [*session.holes, {"id": "h2", "answer": None}]}
    resolved = await sessions.resolve_hole(
        alice, session.id, "h1", expected_version=1, answer="drop it", current_ir=new_ir
    )
    answered = {**session.holes[0], "answer": "drop it"}
    assert resolved.current_ir == {"intent": {"summary": "new"}, "holes": [answered, {"id": "h2", "answer": None}]}
    assert resolved.holes == [{"id": "h2", "answer": None}]


async def test_finalize_names_the_open_holes(sessions: SessionStore, session: Session, alice: Caller):
    with pytest.raises(Conflict) as refused:
        await sessions.finalize(alice, session.id, expected_version=1)
    assert refused.value.details == {"holes": ["h1"]}
    await sessions.resolve_hole(alice, session.id, "h1", expected_version=1, answer="keep it")
    final = await sessions.finalize(alice, session.id, expected_version=2)
    assert (final.status, final.version) == ("finalized", 3)
    assert await sessions.finalize(alice, session.id, expected_version=3) == final


async def test_a_closed_specification_does_not_change_its_code_may(
    sessions: SessionStore, session: Session, alice: Caller
):
    await sessions.abandon(alice, session.id, expected_version=1)
    with pytest.raises(Conflict, match="abandoned"):
        await sessions.save(alice, session.id, expected_version=2, changes=SessionChanges(prompt="new"))
    with pytest.raises(Conflict, match="abandoned"):
        await sessions.finalize(alice, session.id, expected_version=2)
    saved = await sessions.save(alice, session.id, expected_version=2, changes=SessionChanges(generated_code="x"))
    assert saved.status == "abandoned"
    assert (await sessions.rollback(alice, session.id, expected_version=3, to_version=1)).status == "active"


async def test_a_session_without_a_specification_cannot_be_finalized(sessions: SessionStore, alice: Caller):
    bare = await sessions.create(alice, NewSession(prompt="hm"))
    with pytest.raises(Conflict, match="no specification"):
        await sessions.finalize(alice, bare.id, expected_version=1)


async def test_the_list_pages_through_all_newest_first(sessions: SessionStore, alice: Caller, bob: Caller):
    made = [(await sessions.create(alice, NewSession(prompt=f"number {i}"))).id for i in range(7)]
    await sessions.create(bob, NewSession(prompt="not alice's"))
    seen: list[str] = []
    cursor = None
    while True:
        page = await sessions.list(alice, limit=3, cursor=cursor)
        seen += [item.id for item in page.items]
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
    assert seen == made[::-1]


async def test_a_page_stays_in_place_while_sessions_are_added(sessions: SessionStore, alice: Caller):
    made = [(await sessions.create(alice, NewSession(prompt=f"number {i}"))).id for i in range(4)]
    page = await sessions.list(alice, limit=2)
    await sessions.create(alice, NewSession(prompt="later"))
    rest = await sessions.list(alice, limit=2, cursor=page.next_cursor)
    assert [item.id for item in rest.items] == [made[1], made[0]]


async def test_the_list_filters_by_status_and_words(sessions: SessionStore, session: Session, alice: Caller):
    other = await sessions.create(alice, NewSession(prompt="Sortiere die Wörter einer Liste"))
    await sessions.abandon(alice, other.id, expected_version=1)

    async def found(**filters: str) -> list[str]:
        return [item.id for item in (await sessions.list(alice, **filters)).items]  # type: ignore[arg-type] - filters

    assert await found(status="active") == [session.id]
    assert await found(status="abandoned") == [other.id]
    assert await found(q="sentences") == [session.id]  # by stem, in the IR's summary
    assert await found(q="wörter") == [other.id]
    assert await found(q="reverse -sentence") == []
    assert await found(q="wörter", status="active") == []
    assert await found(q="'; drop table sessions") == []


@pytest.mark.parametrize(
    "cursor", ["", "x", "e30", "bnVsbA", "WzFd", "é", "a" * 1000, "eyJjcmVhdGVkX2F0IjoiIiwiaWQiOiIifQ"]
)
async def test_a_cursor_that_no_list_gave_is_refused(sessions: SessionStore, alice: Caller, cursor: str):
    with pytest.raises(Refused):
        await sessions.list(alice, cursor=cursor)


async def test_events_follow_each_other_and_resume(sessions: SessionStore, session: Session, alice: Caller):
    await sessions.save(alice, session.id, expected_version=1, changes=SessionChanges(prompt="b"), description="edited")
    created, changed = await sessions.events(alice, session.id)
    assert (created.type, changed.type) == ("session.created", "session.changed")
    assert (changed.data["version"], changed.data["description"]) == (2, "edited")
    assert await sessions.events(alice, session.id, after=created.id) == [changed]
    assert await sessions.events(alice, session.id, after=changed.id) == []


async def test_a_position_is_the_version_and_the_last_event(sessions: SessionStore, session: Session, alice: Caller):
    for _ in range(2):
        last = (await sessions.events(alice, session.id))[-1]
        version = (await sessions.get(alice, session.id)).version
        assert await sessions.position(alice, session.id) == (version, last.id)
        await sessions.save(alice, session.id, expected_version=version, changes=SessionChanges(prompt="b"))


async def test_of_a_description_as_much_is_kept_as_there_is_room_for(
    sessions: SessionStore, session: Session, alice: Caller
):
    changes = SessionChanges(prompt="b")
    await sessions.save(alice, session.id, expected_version=1, changes=changes, description="d" * 2000)
    (latest, _) = (await sessions.history(alice, session.id)).items
    assert latest.change_description == "d" * LONGEST_DESCRIPTION


async def test_every_version_that_is_written_is_told_and_by_whom(data: Database, alice: Caller, bob: Caller):
    told: list[tuple[Caller, Session]] = []
    store = SessionStore(data, written=lambda caller, session: told.append((caller, session)))
    made = await store.create(alice, NewSession(prompt="x", current_ir={"holes": [{"id": "h"}]}))
    where = {"session_id": made.id}
    written = [
        made,
        await store.save(alice, **where, expected_version=1, changes=SessionChanges(prompt="y")),
        await store.resolve_hole(alice, **where, hole_id="h", expected_version=2, answer="a"),
        await store.finalize(alice, **where, expected_version=3),
        await store.rollback(alice, **where, expected_version=4, to_version=1),
        await store.abandon(alice, **where, expected_version=5),
    ]
    with pytest.raises(NotFound):
        await store.save(bob, **where, expected_version=6, changes=SessionChanges(prompt="z"))
    await store.get(alice, made.id)
    assert told == [(alice, session) for session in written]


async def test_a_deleted_session_is_gone_with_its_history(sessions: SessionStore, session: Session, alice: Caller):
    await sessions.delete(alice, session.id, expected_version=1)
    for gone in (
        sessions.get(alice, session.id),
        sessions.history(alice, session.id),
        sessions.delete(alice, session.id),
    ):
        with pytest.raises(NotFound):
            await gone


@pytest.mark.parametrize("prompt", ["", "日本語のテキスト 🎉", "\\u0000 \\", "'\"$$;--", "a" * 300_000])
async def test_any_text_comes_back_as_it_was(sessions: SessionStore, alice: Caller, prompt: str):
    created = await sessions.create(alice, NewSession(prompt=prompt, current_ir={"intent": {"summary": prompt}}))
    read = await sessions.get(alice, created.id)
    assert (read.prompt, read.current_ir) == (prompt, {"intent": {"summary": prompt}})


@pytest.mark.parametrize("value", ["a\0b", "\ud800", float("nan"), float("inf")])
async def test_what_the_database_cannot_hold_is_refused(sessions: SessionStore, alice: Caller, value: object):
    with pytest.raises(Refused):
        await sessions.create(alice, NewSession(prompt="x", metadata={"note": value}))


async def test_time_is_kept_to_the_microsecond(sessions: SessionStore, alice: Caller):
    created = await sessions.create(alice, NewSession(prompt="x"))
    assert created.created_at.utcoffset() == timedelta(0)
    assert created.created_at == created.updated_at
