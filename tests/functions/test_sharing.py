"""Sessions shared with viewers and editors: what each may do, and that a revocation holds at once."""

import uuid

import pytest

from functions.callers import Caller
from functions.database import Database
from functions.failures import Conflict, Forbidden, NotFound, Refused, StaleVersion
from functions.sessions import NewSession, Session, SessionChanges, SessionStore
from functions.sharing import Comments, Sharing
from tests.data_fixtures import People
from tests.database_fixtures import Stack, execute


@pytest.fixture
def sharing(data: Database) -> Sharing:
    return Sharing(data)


@pytest.fixture
def comments(data: Database) -> Comments:
    return Comments(data)


async def test_a_viewer_reads_and_does_not_write(
    sharing: Sharing, sessions: SessionStore, session: Session, alice: Caller, bob: Caller
):
    await sharing.share(alice, session.id, role="viewer", user_id=bob.user_id)
    assert await sessions.get(bob, session.id) == session.model_copy(update={"role": "viewer"})
    assert [version.version for version in (await sessions.history(bob, session.id)).items] == [1]
    assert len(await sessions.events(bob, session.id)) == 1
    changes = SessionChanges(prompt="mine")
    for write in (
        sessions.save(bob, session.id, expected_version=1, changes=changes),
        sessions.rollback(bob, session.id, expected_version=1, to_version=1),
        sessions.resolve_hole(bob, session.id, "h1", expected_version=1, answer="x"),
        sessions.abandon(bob, session.id, expected_version=1),
        sessions.delete(bob, session.id),
    ):
        with pytest.raises((Forbidden, NotFound)):
            await write
    with pytest.raises(StaleVersion):
        await sessions.save(bob, session.id, expected_version=7, changes=changes)
    assert await sessions.get(alice, session.id) == session


async def test_an_editor_writes_and_does_not_delete_or_share(
    sharing: Sharing, sessions: SessionStore, session: Session, people: People, alice: Caller, bob: Caller
):
    await sharing.share(alice, session.id, role="editor", user_id=bob.user_id)
    saved = await sessions.save(bob, session.id, expected_version=1, changes=SessionChanges(prompt="better"))
    assert (saved.role, saved.version, saved.user_id) == ("editor", 2, alice.user_id)
    assert (await sessions.history(alice, session.id)).items[0].changed_by == bob.user_id
    carol = await people.new()
    for not_an_editors in (
        sessions.delete(bob, session.id),
        sharing.share(bob, session.id, role="viewer", user_id=carol.user_id),
    ):
        with pytest.raises(Forbidden):
            await not_an_editors


async def test_a_revocation_holds_at_once(
    sharing: Sharing, sessions: SessionStore, comments: Comments, session: Session, alice: Caller, bob: Caller
):
    await sharing.share(alice, session.id, role="editor", user_id=bob.user_id)
    await comments.add(bob, session.id, pointer="", body="hm")
    await sharing.revoke(alice, session.id, bob.user_id)
    for gone in (
        sessions.get(bob, session.id),
        sessions.save(bob, session.id, expected_version=1, changes=SessionChanges(prompt="x")),
        comments.list(bob, session.id),
        sharing.shares(bob, session.id),
    ):
        with pytest.raises(NotFound):
            await gone
    with pytest.raises(NotFound):
        await sharing.revoke(alice, session.id, bob.user_id)


async def test_a_role_changes_and_a_member_may_leave(
    sharing: Sharing, sessions: SessionStore, session: Session, alice: Caller, bob: Caller
):
    for role in ("editor", "viewer"):
        assert (await sharing.share(alice, session.id, role=role, user_id=bob.user_id)).role == role
    assert (await sessions.get(bob, session.id)).role == "viewer"
    await sharing.revoke(bob, session.id, bob.user_id)
    with pytest.raises(NotFound):
        await sessions.get(bob, session.id)


async def test_a_session_is_shared_by_a_confirmed_address(
    sharing: Sharing, session: Session, stack: Stack, alice: Caller, bob: Caller
):
    shared = await sharing.share(alice, session.id, role="viewer", email=f" {bob.email} ".upper())
    assert (shared.user_id, shared.email) == (bob.user_id, bob.email)
    await sharing.revoke(alice, session.id, bob.user_id)
    statement = "update auth.users set email_confirmed_at = null"
    await execute(stack.postgres.dsn(stack.database, "supabase_auth_admin"), statement)
    for unknown in (bob.email, "nobody@example.com"):
        with pytest.raises(NotFound, match="address"):
            await sharing.share(alice, session.id, role="viewer", email=unknown)


async def test_who_a_session_cannot_be_shared_with(sharing: Sharing, session: Session, alice: Caller, bob: Caller):
    with pytest.raises(Conflict, match="yours"):
        await sharing.share(alice, session.id, role="viewer", user_id=alice.user_id)
    with pytest.raises(NotFound, match="user"):
        await sharing.share(alice, session.id, role="viewer", user_id=str(uuid.uuid4()))
    with pytest.raises(NotFound, match="session"):
        await sharing.share(bob, session.id, role="viewer", user_id=bob.user_id)
    with pytest.raises(Refused):
        await sharing.share(alice, session.id, role="owner", user_id=bob.user_id)  # type: ignore[arg-type] - no role


async def test_members_see_themselves_alone(
    sharing: Sharing, session: Session, people: People, alice: Caller, bob: Caller
):
    carol = await people.new()
    for member in (bob, carol):
        await sharing.share(alice, session.id, role="viewer", user_id=member.user_id)
    assert [share.user_id for share in await sharing.shares(alice, session.id)] == [bob.user_id, carol.user_id]
    assert [share.user_id for share in await sharing.shares(bob, session.id)] == [bob.user_id]


async def test_what_is_shared_is_listed_apart(
    sharing: Sharing, sessions: SessionStore, session: Session, alice: Caller, bob: Caller
):
    await sharing.share(alice, session.id, role="viewer", user_id=bob.user_id)
    assert (await sessions.list(bob)).items == []
    assert [item.id for item in (await sessions.list(bob, shared=True)).items] == [session.id]
    assert [item.id for item in (await sessions.list(bob, shared=True, q="sentence")).items] == [session.id]
    assert (await sessions.list(bob, shared=True, q="paragraph")).items == []
    assert (await sessions.list(alice, shared=True)).items == []


async def test_comments_are_listed_in_order_by_pages(
    comments: Comments, sharing: Sharing, session: Session, alice: Caller, bob: Caller
):
    await sharing.share(alice, session.id, role="viewer", user_id=bob.user_id)
    made = [
        await comments.add(who, session.id, pointer="/intent", body=f"{i}") for i, who in enumerate([alice, bob] * 2)
    ]
    assert [(comment.author_id, comment.author_email) for comment in made[:2]] == [
        (alice.user_id, alice.email), (bob.user_id, bob.email)
    ]  # fmt: skip
    first = await comments.list(bob, session.id, limit=3)
    last = await comments.list(bob, session.id, limit=3, cursor=first.next_cursor)
    assert [*first.items, *last.items] == made
    assert last.next_cursor is None


async def test_who_may_resolve_and_delete_a_comment(
    comments: Comments, sharing: Sharing, session: Session, people: People, alice: Caller, bob: Caller
):
    carol, dave = await people.new(), await people.new()
    await sharing.share(alice, session.id, role="viewer", user_id=bob.user_id)
    await sharing.share(alice, session.id, role="editor", user_id=carol.user_id)
    of_alice = await comments.add(alice, session.id, pointer="/holes/0", body="say more")
    for deed in (comments.resolve, comments.delete):
        with pytest.raises(Forbidden):
            await deed(bob, session.id, of_alice.id)
        with pytest.raises(NotFound):
            await deed(dave, session.id, of_alice.id)
    resolved = await comments.resolve(carol, session.id, of_alice.id)
    assert (resolved.resolved_by, resolved.body) == (carol.user_id, "say more")
    assert (await comments.resolve(carol, session.id, of_alice.id, resolved=False)).resolved_at is None
    with pytest.raises(Forbidden):
        await comments.delete(carol, session.id, of_alice.id)
    of_bob = await comments.add(bob, session.id, pointer="", body="mine")
    await comments.delete(bob, session.id, of_bob.id)
    await comments.delete(alice, session.id, of_alice.id)
    assert (await comments.list(alice, session.id)).items == []


async def test_a_comment_is_changed_within_its_own_session_alone(
    comments: Comments, sessions: SessionStore, session: Session, alice: Caller
):
    other = await sessions.create(alice, NewSession(prompt="another"))
    comment = await comments.add(alice, session.id, pointer="", body="x")
    for deed in (comments.resolve, comments.delete):
        with pytest.raises(NotFound, match="comment"):
            await deed(alice, other.id, comment.id)
    assert (await comments.list(alice, session.id)).items == [comment]


@pytest.mark.parametrize(("pointer", "body"), [("no pointer", "x"), ("", ""), ("", "x" * 10_001), ("/" * 1001, "x")])
async def test_a_comment_with_bad_values_is_refused(
    comments: Comments, session: Session, alice: Caller, pointer: str, body: str
):
    with pytest.raises(Refused):
        await comments.add(alice, session.id, pointer=pointer, body=body)


async def test_comments_are_events(comments: Comments, sessions: SessionStore, session: Session, alice: Caller):
    comment = await comments.add(alice, session.id, pointer="", body="x")
    await comments.resolve(alice, session.id, comment.id)
    await comments.delete(alice, session.id, comment.id)
    types = [event.type for event in await sessions.events(alice, session.id)]
    assert types == ["session.created", "comment.added", "comment.changed", "comment.deleted"]


async def test_a_deleted_session_takes_its_comments_along(
    comments: Comments, sharing: Sharing, sessions: SessionStore, session: Session, alice: Caller, bob: Caller
):
    await sharing.share(alice, session.id, role="editor", user_id=bob.user_id)
    comment = await comments.add(bob, session.id, pointer="", body="x")
    await sessions.delete(alice, session.id)
    with pytest.raises(NotFound):
        await comments.resolve(bob, session.id, comment.id)
