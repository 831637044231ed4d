"""Looks up names past the tunnel: with a full tunnel the system's resolver asks through it, and there is none before the name is
known. The same name servers are asked, from a socket with our mark.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from appliance.api.zones import to_kernel
from appliance.errors import PeerFault
from appliance.foundation import entropy
from appliance.foundation.readable import readable
from appliance.linux.marks import set_mark
from appliance.planning import resolv_conf
from appliance.wire import dns

if TYPE_CHECKING:
    from appliance.api.profile import NetworkSection

Resolve = Callable[[str, int], Coroutine[Any, Any, list[str]]]

PORT: Final = 53
PATIENCE_SECONDS: Final = 1.0
"""How long the system's resolver may take before we ask ourselves."""
TRY_SECONDS: Final = 2.0
"""How long a name server may take; there is another one, or another round."""
SERVER_FILES: Final = (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf"))
"""The first is where systemd-resolved says whom it asks; the other one then names only itself."""
MOST_SERVERS: Final = 3  # as resolv.conf(5)
MOST_BYTES: Final = 4096


async def resolve_past(resolve: Resolve, host: str, port: int, network: NetworkSection) -> list[str]:
    """What `resolve` says; with a full tunnel, where that takes long, what the name servers say outside. Raises OSError."""
    if not network.full_tunnel:
        return await resolve(host, port)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await resolve(host, port)
    except OSError:  # or TimeoutError, which is one
        pass
    try:
        return await look_up(host, network.mark)
    except OSError:
        return await resolve(host, port)


async def look_up(host: str, mark: int) -> list[str]:
    """Addresses of `host`, IPv4 first. Raises OSError when no server names any."""
    for server in servers():
        answers = await asyncio.gather(*(_ask(server, host, kind, mark) for kind in (dns.TYPE_A, dns.TYPE_AAAA)))
        if found := [address for answer in answers for address in answer]:
            return found
    raise OSError(errno.EHOSTUNREACH, "no name server outside the tunnel knows it")


def servers() -> list[str]:
    """The name servers of this host that are not on it."""
    for path in SERVER_FILES:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        named = resolv_conf.servers(resolv_conf.before(text))  # where a node answers, those it asks itself
        if found := [server for server in named if not server.startswith(("127.", "::1"))]:
            return found[:MOST_SERVERS]
    return []


async def _ask(server: str, host: str, kind: int, mark: int) -> list[str]:
    """What one server says; nothing when it says nothing in time."""
    asked = dns.question(int.from_bytes(entropy.random_bytes(2), "big"), host, kind)
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as asking:
            set_mark(asking, mark)
            asking.connect(to_kernel(server, PORT))
            asking.send(asked)
            async with asyncio.timeout(TRY_SECONDS):
                return await _answer(asking, asked)
    except (OSError, TimeoutError):
        return []


async def _answer(asking: socket.socket, asked: bytes) -> list[str]:
    """Wait for the answer; others are somebody's guesses."""
    while True:
        await readable(asking.fileno())
        with suppress(PeerFault, BlockingIOError):
            return dns.addresses(asking.recv(MOST_BYTES), asked)
