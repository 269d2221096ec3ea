"""The gateway as a process of its own, over the embedded Postgres.

    python -m infra.local.gateway [--directory .local] [--port 54321] [--postgres-port 54322]

The password of the database and the project's keys come from files in the directory, which only their owner may read:
a command line is visible to every user of the machine.
"""

import argparse
import sys
from pathlib import Path

import uvloop

from infra.local.gateway import Gateway, GatewayError, Keys
from infra.local.postgres import EmbeddedPostgres
from infra.local.postgres_files import PostgresError


def main() -> int:
    """The command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.gateway", description="Local Supabase gateway.")
    parser.add_argument("--directory", type=Path, default=Path(".local"), help="holds postgres/ and supabase-keys.json")
    parser.add_argument("--port", type=int, default=54321)
    parser.add_argument("--postgres-port", type=int, default=54322)
    options = parser.parse_args()
    try:
        postgres = EmbeddedPostgres(options.directory / "postgres", options.postgres_port)
        gateway = Gateway(
            rest_dsn=postgres.dsn(user="authenticator"),
            auth_dsn=postgres.dsn(user="supabase_auth_admin"),
            keys=Keys.kept_in(options.directory / "supabase-keys.json"),
            port=options.port,
        )
    except (GatewayError, PostgresError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    uvloop.run(gateway.serve())
    return 0


if __name__ == "__main__":
    sys.exit(main())
