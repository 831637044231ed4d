"""What the kernel says of the sockets at a port."""

from __future__ import annotations

from pathlib import Path

CONNECTED = "01"
"""TCP_ESTABLISHED: what the kernel shows for connected UDP sockets too."""


def only_peers_have(port: int) -> bool:
    """Are there UDP sockets at `port`, and are all of them ours and connected to a peer? (proc(5), /proc/net/udp)"""
    own = {_target(entry) for entry in Path("/proc/self/fd").iterdir()}
    found = [entry for table in ("udp", "udp6") for entry in _sockets_at(Path("/proc/self/net") / table, port)]
    return bool(found) and all(state == CONNECTED and f"socket:[{inode}]" in own for state, inode in found)


def _sockets_at(table: Path, port: int) -> list[tuple[str, str]]:
    rows = [line.split() for line in table.read_text().splitlines()[1:]] if table.exists() else []
    return [(row[3], row[9]) for row in rows if int(row[1].rpartition(":")[2], 16) == port]


def _target(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except OSError:  # the one with which the folder is being read
        return ""
