"""What a container's processes hold open, as the kernel says."""

from contextlib import suppress

import psutil


def peers_of(root: int) -> set[int]:
    """Ports to which the process and its descendants have TCP connections, other than those that they listen on."""
    connections = []
    for process in [psutil.Process(root), *psutil.Process(root).children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            connections += process.net_connections("tcp")
    listening = {connection.laddr.port for connection in connections if connection.status == psutil.CONN_LISTEN}
    established = [connection for connection in connections if connection.status == psutil.CONN_ESTABLISHED]
    accepted = {connection.raddr.port for connection in established if connection.laddr.port in listening}
    return {connection.raddr.port for connection in established} - listening - accepted
