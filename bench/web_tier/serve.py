"""One application in a process of its own: `python -m bench.web_tier.serve NAME`, with its `Place` on standard input.

It prints its port, and ends on SIGTERM.
"""

import json
import socket
import sys
from pathlib import Path

import uvloop

from bench.web_tier.applications import Place, bare, bare_with_database, ours, server, telemetry_of
from bench.web_tier.phases import ours_in_phases
from bench.web_tier.profile import ours_profiled
from infra.logging_setup import configure_logging
from infra.memory import give_back_what_was_large, keep_what_is_loaded

APPLICATIONS = {
    "ours": ours,
    "ours_in_phases": ours_in_phases,
    "ours_profiled": ours_profiled,
    "bare": bare,
    "bare_with_database": bare_with_database,
}


async def main(name: str) -> None:
    place = Place(**json.loads(sys.stdin.readline()))
    with (Path(place.directory) / f"{name}.log").open("w") as log, socket.create_server(("127.0.0.1", 0)) as listener:
        configure_logging(log)
        with telemetry_of(place):
            async with APPLICATIONS[name](place) as app:
                if name.startswith("ours"):
                    give_back_what_was_large()  # as it is when deployed
                    keep_what_is_loaded()
                print(listener.getsockname()[1], flush=True)
                await server(app).serve(sockets=[listener])


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
