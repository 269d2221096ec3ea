"""What a container's processes hold open, as the kernel says."""

import re
from collections import defaultdict
from pathlib import Path

_ESTABLISHED, _LISTENING = "01", "0A"


def processes_under(root: int) -> list[int]:
    """The process and all that descend from it."""
    children = defaultdict(list)
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = status.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        children[int(after_name[1])].append(int(status.parent.name))
    found = [root]
    for process in found:
        found += children[process]
    return found


def peers_of(root: int) -> set[int]:
    """Ports to which the processes have TCP connections, other than those on which they listen themselves."""
    inodes = {inode for process in processes_under(root) for inode in _sockets(process)}
    rows = [line.split() for file in ("tcp", "tcp6") for line in _lines(Path(f"/proc/{root}/net/{file}"))]
    own = [row for row in rows if row[9] in inodes]
    listening = {_port(row[1]) for row in own if row[3] == _LISTENING}
    accepted = {_port(row[2]) for row in own if row[3] == _ESTABLISHED and _port(row[1]) in listening}
    return {_port(row[2]) for row in own if row[3] == _ESTABLISHED} - listening - accepted


def _sockets(process: int) -> list[str]:
    try:
        links = [str(descriptor.readlink()) for descriptor in Path(f"/proc/{process}/fd").iterdir()]
    except OSError:  # it has ended, or a descriptor was closed
        return []
    return [match[1] for link in links if (match := re.fullmatch(r"socket:\[(\d+)\]", link))]


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines()[1:]


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)
