"""Whether a deployment does what it is there for, asked from outside: `python -m infra.smoke https://<its address>`.

With an API key in LIFT_SYS_API_KEY (scopes `read` and `generate`) it also reads, and has something generated: that
wakes an engine, and is charged to the key's user. Says what it finds, line by line; exits with 1 if anything fails.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from infra.settings import SettingsError, load_smoke_headers

SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "green"]}},
    "required": ["colour"],
    "additionalProperties": False,
}
ANSWER_TIMEOUT_S = 300.0
PAUSE_S = 10.0


class SmokeError(Exception):
    """What was found, in place of what should have been."""


class Smoke:
    """The checks of one deployment. Those that wake an engine are given `patience_s` for it to start."""

    def __init__(self, http: httpx.AsyncClient, *, version: str | None, patience_s: float) -> None:
        self._http = http
        self._version = version
        self._patience_s = patience_s

    async def health(self) -> str:
        """The database is reached; the version is the one that was to be deployed."""
        found = expected(await self._http.get("/health"), 200)
        if not found["database"]["reachable"]:
            raise SmokeError(f"the database is not reached: {found['database']}")
        if self._version not in {None, found["version"]}:
            raise SmokeError(f"version {found['version']} answers, not {self._version}")
        return f"version {found['version']} of {found['environment']}, engine {found['engine']['state']}"

    async def description(self) -> str:
        """The API describes itself."""
        return f"{len(expected(await self._http.get('/openapi.json'), 200)['paths'])} paths"

    async def strangers(self) -> str:
        """Without a valid key nothing is shown, and the refusal is a problem document."""
        answer = await self._http.get("/api/sessions", headers={"Authorization": "Bearer nonsense"})
        problem = expected(answer, 401)
        if answer.headers["content-type"] != "application/problem+json":
            raise SmokeError(f"the refusal is {answer.headers['content-type']}")
        return str(problem["title"])

    async def sessions(self) -> str:
        """The key's user is known to the database."""
        return f"{len(expected(await self._http.get('/api/sessions'), 200)['items'])} on the first page"

    async def generation(self) -> str:
        """Something is generated under a schema, by however many attempts an engine that starts takes."""
        began = time.monotonic()
        while True:
            answer = await self._http.post("/api/generate", json={"prompt": "Name a colour.", "json_schema": SCHEMA})
            if answer.status_code != 503 or time.monotonic() - began > self._patience_s:  # noqa: PLR2004 - HTTP's
                break
            await asyncio.sleep(min(float(answer.headers.get("retry-after", PAUSE_S)), PAUSE_S))
        text = expected(answer, 200)["text"]
        if json.loads(text)["colour"] not in {"red", "green"}:
            raise SmokeError(f"the schema was not kept: {text}")
        return f"{text.strip()} after {time.monotonic() - began:.1f} s"

    async def run(self, say: Callable[[str], object], *, with_key: bool) -> bool:
        """Every check, also after one that failed; whether all is well."""
        checks = [self.health, self.description, self.strangers]
        if with_key:
            checks += [self.sessions, self.generation]
        failed = 0
        for check in checks:
            name = check.__name__
            try:
                say(f"ok      {name}: {await check()}\n")
            except (SmokeError, httpx.HTTPError, KeyError, ValueError) as error:
                failed += 1
                say(f"FAILED  {name}: {type(error).__name__}: {error}\n")
        return failed == 0


def expected(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The body, of an answer with that status. Raises `SmokeError`."""
    if answer.status_code != status:
        raise SmokeError(f"{answer.request.url} answers {answer.status_code}: {answer.text[:500]}")
    body: dict[str, Any] = answer.json()
    return body


async def smoke(address: str, headers: dict[str, str], *, version: str | None, patience_s: float) -> bool:
    """Ask the deployment at `address`; whether all is well."""
    async with httpx.AsyncClient(
        base_url=address, headers=headers, timeout=ANSWER_TIMEOUT_S, follow_redirects=True
    ) as http:
        checks = Smoke(http, version=version, patience_s=patience_s)
        return await checks.run(sys.stdout.write, with_key="Authorization" in headers)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m infra.smoke", description="Ask a deployment whether it works.")
    parser.add_argument("address", help="https://...modal.run, or a custom domain")
    parser.add_argument("--version", help="the version that must answer")
    parser.add_argument("--patience", type=float, default=900.0, help="seconds for an engine to start")
    options = parser.parse_args(arguments)
    try:
        headers = load_smoke_headers()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    well = asyncio.run(smoke(options.address, headers, version=options.version, patience_s=options.patience))
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
