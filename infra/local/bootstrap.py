"""Make a database of the embedded server look like a Supabase project's."""

from pathlib import Path

import asyncpg

from infra.local.postgres import SUPERUSER, EmbeddedPostgres

BOOTSTRAP = Path(__file__).with_name("bootstrap.sql")
LOGIN_ROLES = ("postgres", "authenticator", "supabase_auth_admin")


async def bootstrap(postgres: EmbeddedPostgres, database: str = "postgres") -> None:
    """Roles, schemas and grants of `bootstrap.sql` in `database`; may be repeated."""
    connection = await asyncpg.connect(postgres.dsn(database, SUPERUSER))
    try:
        async with connection.transaction():
            await connection.execute("set local client_min_messages = warning")  # "already exists, skipping"
            await connection.execute(BOOTSTRAP.read_text())
            for role in LOGIN_ROLES:
                # A password cannot be a parameter of this statement; ours is hexadecimal.
                await connection.execute(f"alter role {role} password '{postgres.password()}'")
    finally:
        await connection.close()
