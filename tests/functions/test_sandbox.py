"""Hostile code is contained: these run for real, in the real sandbox."""

import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from functions.sandbox import ProcessSandbox, SandboxResult
from infra.settings import Settings


@pytest.fixture
def sandbox(settings: Settings) -> ProcessSandbox:
    return ProcessSandbox(settings.sandbox.model_copy(update={"cpu_s": 2, "wall_s": 3.0}))


async def one(sandbox: ProcessSandbox, body: str) -> SandboxResult:
    lines = "\n    ".join(body.splitlines())
    return await sandbox.run(f"def f():\n    {lines}\n", ["f()"])


async def test_calls_give_values_and_exceptions_in_order(sandbox: ProcessSandbox):
    result = await sandbox.run("def f(x):\n    return [x + 1]\n", ["f(1)", "f('a')", "f(2)"])
    assert result.ended == "finished"
    assert result.calls[0].value == "[2]"
    assert result.calls[1].raised[0] == "TypeError"
    assert result.calls[2].value == "[3]"


async def test_code_that_cannot_be_defined_says_why(sandbox: ProcessSandbox):
    result = await sandbox.run("import nothing_of_that_name\n", ["f()"])
    assert not result.defined
    assert "nothing_of_that_name" in result.error


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "import os\nwhile True: os.fork()",
        "import os\nos._exit(0)",
        "import time\ntime.sleep(60)",
        "import sys\nsys.setrecursionlimit(10**9)\ndef g(): g()\ng()",
        "import ctypes\nctypes.string_at(0)",
    ],
)
async def test_code_that_does_not_end_or_crashes_is_ended(sandbox: ProcessSandbox, body: str):
    result = await one(sandbox, body)
    assert result.ended in {"timeout", "killed"}
    assert (await one(sandbox, "return 1")).calls[0].value == "1", "the next one runs"


async def test_memory_is_limited(sandbox: ProcessSandbox):
    result = await one(sandbox, "return len(bytearray(10**10))")
    assert result.calls[0].raised == ("MemoryError", "Exception")


async def test_threads_are_limited(sandbox: ProcessSandbox):
    body = "import threading, time\nfor _ in range(1000): threading.Thread(target=time.sleep, args=(60,)).start()"
    result = await one(sandbox, body)
    assert result.ended == "finished"
    assert result.calls[0].raised[0] == "RuntimeError"


async def test_output_is_bounded_and_not_the_report(sandbox: ProcessSandbox):
    result = await one(sandbox, "print('{\"calls\": []}' * 10**6)\nreturn 'a' * 10**7")
    assert result.ended == "finished"
    assert len(result.calls[0].value or "") <= 10_000


async def test_a_candidate_that_floods_the_report_is_cut(sandbox: ProcessSandbox):
    body = "import os\nfor d in range(3, 32):\n  try: os.write(d, b'x' * 10**6)\n  except OSError: pass"
    assert (await one(sandbox, body)).ended in {"flooded", "killed"}


async def test_no_file_of_this_machine_can_be_read(sandbox: ProcessSandbox, tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    for path in (secret, Path("/etc/passwd"), Path.cwd()):
        result = await one(sandbox, f"import os\nreturn os.listdir({str(path)!r}) or open({str(path)!r}).read()")
        assert result.isolated, "this machine gives no namespaces: the rest of these tests cannot hold"
        assert result.calls[0].raised, path


async def test_where_nothing_is_cut_off_the_log_says_so_once(sandbox: ProcessSandbox, monkeypatch: pytest.MonkeyPatch):
    # What cannot be mounted ends the preparations as a kernel without namespaces does.
    monkeypatch.setattr("functions.sandbox._interpreter_directories", lambda: ["/nowhere"])
    with capture_logs() as logs:
        results = [await one(sandbox, "return 1") for _ in range(2)]
    assert [(result.calls[0].value, result.isolated) for result in results] == [("1", False)] * 2
    assert [line["event"] for line in logs] == ["sandbox-without-namespaces"]


async def test_nothing_is_written_outside(sandbox: ProcessSandbox, tmp_path: Path):
    for path in (tmp_path / "x", Path("/tmp/x"), Path("/lib/x"), Path("/usr/lib/x")):  # noqa: S108 - must not be there
        result = await one(sandbox, f"open({str(path)!r}, 'w').write('x')")
        assert "OSError" in result.calls[0].raised, path
    assert (await one(sandbox, "return open('/work/x', 'w').write('x')")).calls[0].value == "1"


async def test_there_is_no_network(sandbox: ProcessSandbox):
    result = await one(sandbox, "import socket\nsocket.create_connection(('127.0.0.1', 22), 1)")
    assert "OSError" in result.calls[0].raised


async def test_the_parent_cannot_be_signalled(sandbox: ProcessSandbox):
    parent = os.getpid()
    result = await one(sandbox, f"import os\nos.kill({parent}, 9)")
    assert result.calls[0].raised[0] == "ProcessLookupError"
    await one(sandbox, "import os\nos.kill(-1, 9)")


async def test_the_environment_is_empty(sandbox: ProcessSandbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SUPABASE_SERVICE_ROLE_KEY", "hunter2")
    result = await one(sandbox, "import os\nreturn dict(os.environ)")
    assert "hunter2" not in (result.calls[0].value or "")


async def test_what_should_come_out_never_gets_in(sandbox: ProcessSandbox):
    """A candidate that takes over the report can only claim values; the expected ones are compared outside."""
    body = (
        "import sys\nframe, seen = sys._getframe(), []\nwhile frame:\n  seen += frame.f_locals\n  frame = frame.f_back"
    )
    body += "\nreturn seen"
    result = await one(sandbox, body)
    assert "expected" not in (result.calls[0].value or "")
