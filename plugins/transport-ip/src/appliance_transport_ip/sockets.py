"""What both transports do with sockets."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.api.zones import to_kernel

if TYPE_CHECKING:
    from appliance.api.values import Endpoint

CONNECTED = "01"
"""TCP_ESTABLISHED: what the kernel shows for connected UDP sockets too."""


def family_of(host: str) -> socket.AddressFamily:
    """The address family of an address literal."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def bound(sock: socket.socket, at: Endpoint) -> None:
    """Bind to `at`. An IPv6 socket takes IPv6 only, so `[::]` and `0.0.0.0` can both be listened on. Raises OSError."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind(to_kernel(at.host, at.port))


async def connect(sock: socket.socket, to: Endpoint) -> None:
    """Connect the non-blocking `sock`. Raises OSError."""
    try:
        sock.connect(to_kernel(to.host, to.port))
    except BlockingIOError:
        await ready(sock, writable=True)
        if error := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, os.strerror(error)) from None


async def ready(sock: socket.socket, *, writable: bool = False) -> None:
    """Wait until `sock` can be read, accepted from, or (`writable`) written to.

    The loop's own `sock_connect` and `sock_accept` would load all of TLS (2 MB), only to see whether the socket is a TLS one.
    """
    loop, descriptor, arrived = asyncio.get_running_loop(), sock.fileno(), asyncio.Event()
    watch, forget = (loop.add_writer, loop.remove_writer) if writable else (loop.add_reader, loop.remove_reader)
    watch(descriptor, arrived.set)
    try:
        await arrived.wait()
    finally:
        forget(descriptor)


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
