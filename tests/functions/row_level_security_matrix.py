"""Who may do what with which table and function: what is expected, and how it is found out.

Rights on a table are those on Alice's row, or on the one row of a table that is nobody's: S(elect), I(nsert), U(pdate),
D(elete). Updates and deletes are tried without a condition, so that no other policy hides the row from a wrong one.
"""

import json
import uuid
from dataclasses import dataclass

import asyncpg

# Alice owns the row; Vera may view her session, Edith may edit it; Bob has nothing to do with it; Olga is an operator.
PEOPLE = {name: str(uuid.uuid5(uuid.NAMESPACE_DNS, name)) for name in ("alice", "vera", "edith", "bob", "olga")}
ACTORS = ("anon", *PEOPLE, "service")
SIGNED_IN = ("alice", "vera", "edith", "bob", "olga")

SESSION = str(uuid.uuid5(uuid.NAMESPACE_DNS, "session"))
KEY = str(uuid.uuid5(uuid.NAMESPACE_DNS, "key"))
ALICE, VERA, BOB = PEOPLE["alice"], PEOPLE["vera"], PEOPLE["bob"]
VECTOR = "array_fill(0.5, array[384])::extensions.vector"


@dataclass(frozen=True)
class Table:
    """`made` makes the row, `row` is a condition that finds it; `insert` and `set` are what is tried."""

    made: str
    row: str
    insert: str
    set: str
    rights: dict[str, str]


def rights(**of: str) -> dict[str, str]:
    return {actor: of.get(actor, "") for actor in ACTORS} | {"service": "SIUD"}


TABLES = {
    "profiles": Table(
        "",  # a trigger on auth.users makes it
        f"id = '{ALICE}'",
        f"(id) values ('{ALICE}')",
        "preferences = '{}'",
        rights(alice="SU", olga="S"),
    ),
    "sessions": Table(
        f"(id, user_id, prompt) values ('{SESSION}', '{ALICE}', 'p')",
        f"id = '{SESSION}'",
        "(prompt) values ('my own')",
        "prompt = 'x'",
        rights(alice="SIUD", vera="SI", edith="SIU", bob="I", olga="I"),
    ),
    "session_history": Table(
        "",  # a trigger on sessions makes it
        f"session_id = '{SESSION}'",
        "(session_id, version, prompt, status, generation_status, evidence_snapshot, metadata_snapshot,"
        " resolutions_snapshot, change_description, created_at)"
        f" values ('{SESSION}', 9, '', '', '', '{{}}', '{{}}', '[]', '', now())",
        "prompt = 'x'",
        rights(alice="S", vera="S", edith="S"),
    ),
    "session_members": Table(
        f"(session_id, user_id, role) values ('{SESSION}', '{VERA}', 'viewer'),"
        f" ('{SESSION}', '{PEOPLE['edith']}', 'editor')",
        f"session_id = '{SESSION}' and user_id = '{VERA}'",
        f"(session_id, user_id, role) values ('{SESSION}', '{BOB}', 'editor')",
        "role = 'editor'",
        rights(alice="SIUD", vera="SD"),
    ),
    "comments": Table(
        f"(session_id, author_id, pointer, version, body) values ('{SESSION}', '{ALICE}', '', 1, 'b')",
        f"author_id = '{ALICE}'",
        f"(session_id, pointer, version, body) values ('{SESSION}', '', 1, 'mine')",
        "resolved_at = now()",
        rights(alice="SIUD", vera="SI", edith="SIU"),
    ),
    "session_embeddings": Table(
        f"(session_id, user_id, version, model, embedding) values ('{SESSION}', '{ALICE}', 1, 'm', {VECTOR})",
        f"user_id = '{ALICE}'",
        # The row is there already: past the policies it would be in conflict.
        f"(session_id, user_id, version, model, embedding) values ('{SESSION}', '{ALICE}', 1, 'm', {VECTOR})",
        "version = 2",
        rights(alice="SIU", vera="S", edith="SIU"),
    ),
    "api_keys": Table(
        "(id, user_id, name, key_hash, prefix, scopes)"
        f" values ('{KEY}', '{ALICE}', 'n', sha256('a'), 'lsk_', '{{read}}')",
        f"id = '{KEY}'",
        "(name, key_hash, prefix, scopes) values ('n', sha256('b'), 'lsk_', '{read}')",
        "revoked_at = now()",
        rights(alice="SIU", vera="I", edith="I", bob="I", olga="I"),
    ),
    "generations": Table(
        "(user_id, endpoint, environment, model, estimated_usd, expires_at)"
        f" values ('{ALICE}', 'e', 'e', 'm', 1, now())",
        f"user_id = '{ALICE}'",
        "(user_id, endpoint, environment, model, estimated_usd, expires_at)"
        f" values ('{ALICE}', 'e', 'e', 'm', 1, now())",
        "cost_usd = 0",
        rights(alice="S", olga="S"),
    ),
    "budgets": Table(
        f"(user_id, key_id, period) values ('{ALICE}', null, 'day'), ('{ALICE}', '{KEY}', 'day')",
        f"user_id = '{ALICE}' and key_id is null",
        f"(user_id, period, hard_limit_usd) values ('{ALICE}', 'month', 1000)",
        "hard_limit_usd = 1000",
        rights(alice="S", olga="SIU"),
    ),
    "rate_limits": Table(
        f"values ('user:{ALICE}', 'p', 1, now())",
        "policy = 'p'",
        f"values ('user:{ALICE}', 'q', 1, now())",
        "tokens = 1000",
        rights(),
    ),
    "idempotency_keys": Table(
        f"(user_id, key, fingerprint, locked_until, expires_at) values ('{ALICE}', 'k', 'f', now(), now())",
        f"user_id = '{ALICE}'",
        "(key, fingerprint, locked_until, expires_at) values ('other', 'f', now(), now())",
        "state = 'complete'",
        rights(alice="SIUD", vera="I", edith="I", bob="I", olga="I"),
    ),
    "analytics_events": Table(
        f"(session_id, event_type) values ('{SESSION}', 'tested')",
        "event_type = 'tested'",
        f"(session_id, event_type) values ('{SESSION}', 'forged')",
        "event_data = '{}'",
        rights(alice="S", vera="S", edith="S", olga="S"),
    ),
    "alerts": Table(
        "(dedup_key, kind, severity, message) values ('d', 'k', 'info', 'm')",
        "dedup_key = 'd'",
        "(dedup_key, kind, severity, message) values ('e', 'k', 'info', 'm')",
        "message = 'x'",
        rights(olga="S"),
    ),
    "alert_deliveries": Table(
        "(alert_id, destination, action, next_attempt_at)"
        " select id, 'slack', 'trigger', now() from public.alerts where dedup_key = 'd'",
        "destination = 'slack'",
        "(alert_id, destination, action, next_attempt_at) values (1, 'webhook', 'trigger', now())",
        "state = 'delivered'",
        rights(olga="S"),
    ),
    "billed_costs": Table(
        "(interval_start, object_id, environment, cost_usd) values ('2026-11-21', 'ap-1', 'e', 1)",
        "object_id = 'ap-1'",
        "(interval_start, object_id, environment, cost_usd) values ('2026-11-21', 'ap-2', 'e', 1)",
        "cost_usd = 0",
        rights(olga="S"),
    ),
    "engine_samples": Table(
        "values ('e', 'T4', '2026-11-21', 1, 0.3)",
        "gpu = 'T4'",
        "values ('e', 'L40S', '2026-11-21', 1, 0.3)",
        "containers = 0",
        rights(olga="S"),
    ),
    "daily_costs": Table(
        f"values ('2026-11-21', 'e', 'generate', '{ALICE}', null, 'T4', 1, 0, 0, 1, 0, 1, 1, 1)",
        f"user_id = '{ALICE}'",
        f"values ('2026-11-22', 'e', 'generate', '{ALICE}', null, 'T4', 1, 0, 0, 1, 0, 1, 1, 1)",
        "cost_usd = 0",
        rights(olga="S"),
    ),
    "hourly_costs": Table(
        "values ('e', 'T4', '2026-11-21', 1, 1, 1, 1)",
        "gpu = 'T4'",
        "values ('e', 'L40S', '2026-11-21', 1, 1, 1, 1)",
        "idle_usd = 0",
        rights(olga="S"),
    ),
    "rolled_days": Table(
        "values ('2026-11-21', now())",
        "day = '2026-11-21'",
        "values ('2026-11-22', now())",
        "rolled_at = now()",
        rights(olga="S"),
    ),
    "keep_alive_decisions": Table(
        "values ('e', '2026-11-21', 1, 60, 'r')",
        "environment = 'e'",
        "values ('f', '2026-11-21', 1, 60, 'r')",
        "reason = 'x'",
        rights(olga="S"),
    ),
    "monthly_reports": Table(
        "(environment, month, report) values ('e', '2026-10-01', '{}')",
        "environment = 'e'",
        "(environment, month, report) values ('f', '2026-10-01', '{}')",
        "report = '{}'",
        rights(olga="S"),
    ),
    "maintenance_windows": Table(
        "(environment, reason, began_at, began_by) values ('e', 'r', now(), 'olga')",
        "environment = 'e'",
        "(environment, reason, began_at, began_by) values ('f', 'r', now(), 'olga')",
        "reason = 'x'",
        rights(olga="SIU"),
    ),
    "job_runs": Table("(job) values ('j')", "job = 'j'", "(job) values ('k')", "job = 'x'", rights(olga="S")),
}

EVERYBODY = ("anon", "authenticated", "service_role")
USERS = ("authenticated",)
SERVICE = ("service_role",)
BOTH = ("authenticated", "service_role")

# Executable by these roles, and by no other; what the function then does is decided by policies, or by itself.
FUNCTIONS = {
    **dict.fromkeys(("ping", "lookup_api_key", "get_maintenance"), EVERYBODY),
    **dict.fromkeys(
        (
            "create_session", "get_session", "list_sessions", "save_session", "delete_session", "list_versions",
            "get_version", "rollback_session", "resolve_hole", "finalize_session", "abandon_session",
            "list_session_events", "get_session_position", "share_session", "list_shares", "revoke_share",
            "add_comment", "list_comments",
            "resolve_comment", "delete_comment", "search_sessions", "get_profile", "update_profile", "create_api_key",
            "list_api_keys", "revoke_api_key", "admit", "settle", "settle_many", "limit_rate", "get_usage",
            "set_budget", "set_user_limits", "begin_idempotent", "complete_idempotent", "release_idempotent",
        ),
        USERS,
    ),
    **dict.fromkeys(
        (
            "sweep_stale_reservations", "forget_idempotency_keys", "list_sessions_to_embed", "start_job", "finish_job",
        ),
        SERVICE,
    ),
    **dict.fromkeys(
        (
            "store_billed_costs", "record_engine_sample", "roll_up_day", "observe_alerts", "announce", "record_outage",
            "claim_alert_deliveries", "finish_alert_delivery", "alert_figures", "abandon_idle_sessions",
            "fail_abandoned_generations", "forget_events", "forget_rate_limits", "forget_operation", "vacuum_hints",
            "store_monthly_report", "get_demand", "record_keep_alive", "forget_keep_alive",
        ),
        SERVICE,
    ),
    **dict.fromkeys(
        (
            "get_costs", "get_daily_costs", "get_metrics", "get_months", "get_operation", "list_alerts",
            "list_monthly_reports", "list_keep_alive", "begin_maintenance", "end_maintenance",
        ),
        BOTH,
    ),
    "set_session_embedding": BOTH,
}  # fmt: skip

# Everything that runs with its owner's rights. Each says why in its migration.
SECURITY_DEFINER = {
    "admit", "settle", "settle_many", "limit_rate", "set_user_limits", "lookup_api_key", "record_event",
    "record_version", "record_comment", "record_answer", "own_session_page", "sessions_shared_with_me",
    "store_profile", "follow_user", "ensure_own_profile", "user_by_email", "activity", "get_maintenance",
}  # fmt: skip


async def populate(connection: asyncpg.Connection) -> None:
    """People, and one row in each table. `connection` is the owner's."""
    for name, user_id in PEOPLE.items():
        await connection.execute(
            "insert into auth.users (id, email) values ($1, $2)", uuid.UUID(user_id), f"{name}@example.com"
        )
    for name, table in TABLES.items():
        if table.made:
            await connection.execute(f"insert into public.{name} {table.made}")


async def found_rights(connection: asyncpg.Connection, name: str) -> dict[str, str]:
    """What each actor can do with the table in fact. Leaves everything as it was."""
    return {actor: await _rights_of(connection, actor, name) for actor in ACTORS}


async def become(connection: asyncpg.Connection, actor: str) -> None:
    """For the rest of the transaction, as PostgREST does it."""
    roles = {"anon": "anon", "service": "service_role"}
    claims = {"role": roles.get(actor, "authenticated")}
    if actor in PEOPLE:
        claims |= {"sub": PEOPLE[actor], "app_metadata": {"operator": actor == "olga"}}
    await connection.execute("select set_config('request.jwt.claims', $1, true)", json.dumps(claims))
    await connection.execute(f"set local role {claims['role']}")


async def _rights_of(connection: asyncpg.Connection, actor: str, name: str) -> str:
    table = TABLES[name]
    attempts = {
        "S": f"select 1 from public.{name} where {table.row}",  # noqa: S608 - our own words
        "I": f"insert into public.{name} {table.insert}",
        "U": f"update public.{name} set {table.set}",  # noqa: S608
        "D": f"delete from public.{name}",  # noqa: S608
    }
    return "".join([letter for letter, sql in attempts.items() if await _can(connection, actor, name, letter, sql)])


async def _can(connection: asyncpg.Connection, actor: str, name: str, letter: str, statement: str) -> bool:
    attempt = connection.transaction()
    await attempt.start()
    try:
        before = await _places(connection, name)
        await become(connection, actor)
        if letter == "S":
            return bool(await connection.fetch(statement))
        status = await connection.execute(statement)
        await connection.execute("reset role")
        return status == "INSERT 0 1" if letter == "I" else not before & await _places(connection, name)
    except asyncpg.InsufficientPrivilegeError:
        return False
    except (asyncpg.UniqueViolationError, asyncpg.NotNullViolationError):
        # It got past the policies: to a row that is there, or as the service, which is no user.
        return True
    finally:
        await attempt.rollback()


async def _places(connection: asyncpg.Connection, name: str) -> set[str]:
    """Where the row is: it moves when it is updated."""
    rows = await connection.fetch(f"select ctid::text as place from public.{name} where {TABLES[name].row}")  # noqa: S608
    return {row["place"] for row in rows}
