"""Does the API do what its description says? `python -m proofs contract`: schemathesis with all of its checks.

Signed in and as a stranger; examples, boundary cases, random cases, and sequences of calls that use what the earlier
ones made. The operations are dealt out to processes: schemathesis's threads trip over CPython 3.11's parser. Prints the
cases of each part and whatever does not hold.
"""

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from proofs.product import Product
from proofs.tools import tool

HERE = Path(__file__).parent
LEAST_CASES = 5_000
CASES = 15  # random ones of each operation and kind; the boundary cases are the most

# What JSON Schema cannot say about a value is said when it comes: cursors, heads of functions, a constraint that does
# not compile (400, 422), a key used twice (409, 422), an ETag of an older version (412).
# 600 s is what a generation may take: words of ours become code that slowly where the machine is busy.
CONFIGURATION = """
request-timeout = 600
[checks]
max_response_time = 600
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 401, 403, 404, 409, 412, 422, 428, 429]
"""

# Parts: what words of ours write code for takes many seconds a case, so there they come once.
COSTLY = r"^/api/(sessions|ir|code)$|/resolve$|/code$"
SESSIONS = r"^/api/sessions/"
# Whoever asks well listens for ten minutes: here it is seen what is refused, and in `tests/endpoints` what is told.
LISTENING = r"/events$"
OTHERS = r"^/(api/(generate|reverse|compile|check|extract)|v1/)"


@dataclass(frozen=True)
class Part:
    """One run of schemathesis."""

    name: str
    arguments: tuple[str, ...]
    stranger: bool = False


def parts(cases: int) -> list[Part]:
    made_up = ("--max-examples", str(cases), "--phases")
    every = (*made_up, "examples,coverage,fuzzing")
    refused = ("--mode", "negative", *made_up, "coverage,fuzzing")
    return [
        Part("sessions", ("--include-path-regex", SESSIONS, "--exclude-path-regex", f"{COSTLY}|{LISTENING}", *every)),
        Part("sessions' events: what is refused", ("--include-path-regex", LISTENING, *refused)),
        Part("generation, constraints, OpenAI", ("--include-path-regex", OTHERS, *every)),
        Part("account, operation", ("--exclude-path-regex", f"{SESSIONS}|{OTHERS}|{COSTLY}", *every)),
        Part("words to code: what is refused", ("--include-path-regex", COSTLY, *refused)),
        Part("words to code: examples", ("--include-path-regex", COSTLY, "--phases", "examples")),
        Part(
            "sequences",
            ("--exclude-path-regex", f"{COSTLY}|{LISTENING}", "--phases", "stateful", "--max-examples", "40"),
        ),
        Part(
            "as a stranger",
            ("--phases", "coverage,fuzzing", "--max-examples", "10", "--rate-limit", "15/s"),
            stranger=True,
        ),
    ]


async def run(part: Part, server: Product, directory: Path, headers: Mapping[str, str]) -> dict[str, Any]:
    """What schemathesis reports of `part`; `text` is what it printed."""
    file = directory / f"{abs(hash(part.name))}.json"
    configuration = directory / "schemathesis.toml"
    arguments = ["--config-file", str(configuration), "run", f"{server.url}/openapi.json", *part.arguments]
    arguments += [
        "--checks",
        "all",
        "--continue-on-failure",
        "--seed",
        "1",
        "--no-color",
        "--generation-database",
        "none",
    ]
    arguments += [
        "--warnings",
        "off",
        "--suppress-health-check",
        "all",
        "--report",
        "json",
        "--report-json-path",
        str(file),
    ]
    for name, value in () if part.stranger else headers.items():
        arguments += ["-H", f"{name}: {value}"]
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "contract_hooks", "PYTHONPATH": str(HERE)}
    process = await asyncio.create_subprocess_exec(
        str(tool("st")),
        *arguments,
        cwd=directory,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    report = json.loads(file.read_text()) if file.exists() else {}
    return {"status": process.returncode, "text": output.decode(errors="replace"), **report}


async def prove(server: Product) -> bool:
    """Whether every part holds, with as many cases as are asked for."""
    # An access token, not a key: schemathesis revokes the keys that it finds.
    headers = {"Authorization": f"Bearer {server.token(await server.user())}"}
    total, holds = 0, True
    with TemporaryDirectory() as name:
        directory = _prepared(Path(name))
        waiting = [asyncio.create_task(run(part, server, directory, headers)) for part in parts(CASES)]
        for part, task in zip(parts(CASES), waiting, strict=True):
            report = await task
            made = cases_of(report["text"])
            total += made
            print(f"{part.name:40} {made:6} cases  {'holds' if report['status'] == 0 else 'DOES NOT HOLD'}", flush=True)
            if report["status"] != 0:
                holds = False
                print(report["text"])
    print(f"{'all':40} {total:6} cases")
    return holds and total >= LEAST_CASES


def _prepared(directory: Path) -> Path:
    (directory / "schemathesis.toml").write_text(CONFIGURATION)
    return directory


def cases_of(text: str) -> int:
    """How many cases schemathesis says it has made."""
    for line in text.splitlines():
        words = line.split()
        if "generated," in words:
            return int(words[words.index("generated,") - 1])
    return 0
