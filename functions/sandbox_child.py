"""Runs inside the sandbox: confines itself, then executes a candidate and reports what its calls gave.

Started by `functions.sandbox` as a program of its own, isolated and without `site`; it may import the standard library
alone. What each call *should* give never enters this process: a candidate that takes over the report can only claim
values, which are compared outside.
"""

import contextlib
import ctypes
import json
import os
import resource
import signal
import sys
from importlib import import_module
from typing import Any

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = (
    0x20000,
    0x8000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
NOBODY = 65534

libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: Any) -> None:
    """Call a function of the C library. Raises `OSError`."""
    if getattr(libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def isolate(directory: str, readable: list[str]) -> bool:
    """Own namespaces: no network, no processes to see, no files but the interpreter's. False where not allowed."""
    uid, gid = os.getuid(), os.getgid()
    flags = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET
    try:
        call("unshare", flags if uid == 0 else flags | CLONE_NEWUSER)
        if uid != 0:
            for file, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
                with open(f"/proc/self/{file}", "w") as target:  # noqa: PTH123 - pathlib is slow to import here
                    target.write(text)
        call("mount", None, b"/", None, MS_REC | MS_PRIVATE, None)
        root = f"{directory}/root"
        os.mkdir(root)  # noqa: PTH102
        call("mount", b"tmpfs", root.encode(), b"tmpfs", MS_NOSUID | MS_NODEV, b"size=16m,mode=755")
        for path in readable:
            target_path = root + path
            os.makedirs(target_path, exist_ok=True)  # noqa: PTH103
            call("mount", path.encode(), target_path.encode(), None, MS_BIND | MS_REC, None)
            with contextlib.suppress(OSError):  # a locked mount of the host cannot be changed; modes and uid still hold
                flags = MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV
                call("mount", None, target_path.encode(), None, flags, None)
        os.makedirs(f"{root}/work", exist_ok=True)  # noqa: PTH103
        os.chmod(f"{root}/work", 0o777)  # noqa: PTH101, S103 - the only place to write, in memory, 16 MiB
        os.chroot(root)
        os.chdir("/work")
    except OSError:
        return False
    return True


def confine(job: dict[str, Any]) -> None:
    """Limits that hold with or without namespaces; drops root."""
    limits = job["limits"]
    for what, limit in (
        (resource.RLIMIT_AS, limits["memory_bytes"]),
        (resource.RLIMIT_CPU, limits["cpu_s"]),
        (resource.RLIMIT_FSIZE, 1024 * 1024),
        (resource.RLIMIT_NOFILE, 32),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (limit, limit))
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(job["uid"])
    resource.setrlimit(resource.RLIMIT_NPROC, (limits["processes"], limits["processes"]))
    call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # after setuid, which clears it


def evaluate(job: dict[str, Any], servants: Any) -> dict[str, Any]:
    """Define the candidate, then make each call: its value's `repr`, or the class of what it raised."""
    namespace, error = servants.defined(job["code"])
    if error is not None:
        return {"defined": False, "error": error, "calls": []}
    calls = [servants.attempt(call, namespace) for call in job["calls"]]
    return {"defined": True, "error": "", "calls": calls}


def judged(job: dict[str, Any], servants: Any, judge: Any, judged_by: int) -> dict[str, Any]:
    """What the judge finds by what is read from the descriptor `judged_by`: properties, or tests."""
    held = [servants.Servant() for _ in range(judge.SERVANTS)]
    # From here on, what this process knows is out of reach for others of the same user (ptrace, /proc/<pid>/mem).
    call("prctl", PR_SET_DUMPABLE, 0, 0, 0, 0)
    with os.fdopen(judged_by, "rb") as pipe:
        given = json.load(pipe)
    found: dict[str, Any] = judge.judge(given, job["code"], held)
    return found


def read_exactly(descriptor: int, size: int) -> bytes:
    """That many bytes and none of those after them."""
    data = b""
    while len(data) < size and (part := os.read(descriptor, size - len(data))):
        data += part
    return data


def own_modules(job: dict[str, Any]) -> tuple[Any, Any]:
    """The servants, and the judge if there is one: loaded before their files are out of sight."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    sys.path[:0] = [root, *{os.path.dirname(package) for package in job.get("packages", ())}]  # noqa: PTH120
    servants = import_module("functions.sandbox_servants")
    judge = None
    if "judge" in job:
        judge = import_module(job["judge"])
        judge.load()
    sys.path.remove(root)
    return servants, judge


def main() -> None:
    """Read the job from standard input, report on standard output, which the candidate does not get."""
    size = b""
    while not size.endswith(b"\n"):
        size += read_exactly(0, 1) or b"0\n"
    job = json.loads(read_exactly(0, int(size)))
    servants, judge = own_modules(job)
    if "directory" in job:
        os.chdir(job["directory"])
    rest, report = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    # Where the platform itself has cut this machine off, there is nothing to hide from the candidate.
    isolated = "directory" in job and isolate(job["directory"], job["readable"])
    if isolated:
        # The new process namespace begins with the next child; when its first process ends, all in it are killed.
        child = os.fork()
        if child:
            _, status = os.waitpid(child, 0)
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
        os.setsid()
    confine(job)
    found = evaluate(job, servants) if judge is None else judged(job, servants, judge, rest)
    answer = {"isolated": isolated, **found}
    data = json.dumps(answer).encode()
    while data:
        data = data[os.write(report, data) :]
    os._exit(0)


if __name__ == "__main__":
    main()
