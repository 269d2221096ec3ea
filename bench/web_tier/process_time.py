"""Processor time of a process with its threads and children, from Linux's own books."""

from pathlib import Path

NS = 1e-9


def processor_seconds(pid: int) -> float:
    """Seconds that the process, and everything it has started that still runs, has been on a processor."""
    total = 0.0
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0]) * NS
            total += sum(processor_seconds(int(child)) for child in (task / "children").read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        pass  # it has ended meanwhile
    return total


def children(pid: int) -> list[int]:
    """What the process itself has started and still runs."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def resident_mib(pid: int) -> float:
    """Resident memory of the process alone."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024
