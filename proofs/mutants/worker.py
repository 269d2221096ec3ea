"""`python -m proofs.mutants.worker`, in a copy of the tree: runs tests again and again, each time in a fork.

The fork has Postgres running, migrated, and the product imported; anew it imports the mutant and what imports that.
One request a line on standard input, as JSON; one answer a line.
"""

import asyncio
import gc
import importlib
import json
import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import grimp

OURS = ("endpoints", "functions", "infra")
ENTRIES = ("endpoints.app", "endpoints.composition", "functions.reverse", "infra.local.gateway", "infra.local.model")
OTHERS = ("pytest", "pytest_asyncio", "pytest_timeout", "coverage", "hypothesis.strategies", "asyncpg", "fastapi")
OTHERS += ("httpx", "httpx_aiohttp", "supabase", "structlog", "jwt", "jsonschema", "llguidance", "uvicorn", "jinja2")
OTHERS += ("tree_sitter_python", "tree_sitter_typescript", "opentelemetry.sdk.trace", "opentelemetry.sdk.metrics")
OTHERS += ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "mypy.api", "starlette.testclient", "tokenizers")
POLL_S = 0.02


def main() -> None:
    sys.path[0] = os.getcwd()  # noqa: PTH109 - before our own packages are found
    for name in OTHERS + ENTRIES:
        with suppress(ImportError):
            importlib.import_module(name)
    graph = grimp.build_graph(*OURS, cache_dir=None)
    from infra.local.postgres import EmbeddedPostgres  # noqa: PLC0415 - once the path is right
    from tests.database_fixtures import TEMPLATE, execute, scratch_directory  # noqa: PLC0415

    with scratch_directory() as directory:
        server = EmbeddedPostgres(directory / "postgres", durable=False)
        server.start()
        asyncio.run(_prepare(server, TEMPLATE, execute))
        lent = {"directory": str(directory / "postgres"), "port": server.port, "template": TEMPLATE}
        gc.collect()
        gc.freeze()  # what forks share stays shared
        print(json.dumps({"ready": True}), flush=True)
        for line in sys.stdin:
            answer = _tried(json.loads(line), lent, graph)
            asyncio.run(_drop_left_over(server))
            print(json.dumps(answer), flush=True)
        server.stop()


async def _prepare(server: Any, template: str, execute: Any) -> None:
    from infra.local.bootstrap import bootstrap  # noqa: PLC0415
    from infra.local.postgres import SUPERUSER  # noqa: PLC0415
    from infra.migrations import migrate  # noqa: PLC0415

    await execute(server.dsn("postgres", SUPERUSER), f"create database {template}")
    await bootstrap(server, template)
    await migrate(server.dsn(template))


async def _drop_left_over(server: Any) -> None:
    """A test that a mutant broke off leaves its database, under a name that the next trial uses."""
    import asyncpg  # noqa: PLC0415

    from infra.local.postgres import SUPERUSER  # noqa: PLC0415

    connection = await asyncpg.connect(server.dsn("postgres", SUPERUSER))
    try:
        for row in await connection.fetch("select datname from pg_database where datname ~ '^(test|blank)_[0-9]+$'"):
            await connection.execute(f"drop database {row['datname']} with (force)")
    finally:
        await connection.close()


def _tried(trial: dict[str, Any], lent: dict[str, Any], graph: grimp.ImportGraph) -> dict[str, Any]:
    """What came of it: `ended` is passed, failed, broken (nothing could be collected) or endless."""
    path = Path(trial["path"]) if trial.get("path") else None
    original = path.read_bytes() if path else b""
    times = path.stat() if path else None
    answer_file, log_file = Path("trial.json"), Path("trial.log")
    answer_file.unlink(missing_ok=True)
    if path:
        path.write_text(trial["source"])
        os.utime(path, (0, time.time_ns() // 1_000_000_000 % 1_000_000))  # no compiled file is of this time
    changed = [trial["path"]] if path else trial["measured"]
    anew = {name.removesuffix(".py").replace("/", ".") for name in changed}
    for name in list(anew):
        anew |= graph.find_downstream_modules(name)
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        _run_in_fork(trial, lent, anew, answer_file, log_file)
    ended = _ended_within(child, trial["limit_s"])
    if path and times:
        path.write_bytes(original)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    answer = json.loads(answer_file.read_text()) if answer_file.exists() else {}
    names = {None: "endless", 0: "passed", 1: "failed"}
    tail = log_file.read_text(errors="replace")[-3000:]
    return {"ended": names.get(ended, "broken"), "seconds": time.monotonic() - began, "tail": tail} | answer


def _ended_within(child: int, limit_s: float) -> int | None:
    deadline = time.monotonic() + limit_s
    status: int | None = None
    while time.monotonic() < deadline:
        pid, waited = os.waitpid(child, os.WNOHANG)
        if pid:
            status = os.waitstatus_to_exitcode(waited)
            break
        time.sleep(POLL_S)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if status is None:
        os.waitpid(child, 0)
    return status


def _run_in_fork(
    trial: dict[str, Any], lent: dict[str, Any], anew: set[str], answer_file: Path, log_file: Path
) -> None:
    os.setsid()
    log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    status = 3
    try:
        for name in [name for name in sys.modules if name in anew or name.partition(".")[0] == "tests"]:
            package, _, last = name.rpartition(".")
            if package in sys.modules:
                vars(sys.modules[package]).pop(last, None)  # where `from package import name` looks first
            del sys.modules[name]
        sys.dont_write_bytecode = trial.get("path") is not None
        import pytest  # noqa: PLC0415

        from proofs.mutants.observing import Observer  # noqa: PLC0415

        observer = Observer(lent, only=trial.get("only"), measured=trial.get("measured"))
        arguments = ["-q", "-p", "no:cacheprovider", "--no-header", "--tb=line"]
        arguments += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # plugins of pytest are imported already
        arguments += ["-x"] if trial.get("path") else []
        status = int(pytest.main([*arguments, *trial["tests"]], plugins=[observer]))
        answer_file.write_text(json.dumps(observer.result()))
    except BaseException:  # noqa: BLE001 - nothing may leave the fork
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
