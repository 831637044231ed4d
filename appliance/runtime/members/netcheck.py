"""`appliance netcheck`: asks peers to knock at this node, sends something round its router, and gathers what is known."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from appliance.api.peer_protocol import PeerProtocolError
from appliance.foundation import entropy
from appliance.members import netcheck
from appliance.members.netcheck import Findings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appliance.api.values import Endpoint
    from appliance.runtime.members.paths import Paths

KNOCK_SECONDS: Final = 2.0
"""How long a knock may take to arrive: three tries, and a round trip."""
HAIRPIN_SECONDS: Final = 1.0
SINK_PORT: Final = 9
"""Discard (RFC 863)."""
MOST_ASKED: Final = 2
"""Peers that are asked to knock, of each sort: one may be busy, or lie."""


async def check(paths: Paths) -> dict[str, Any]:
    """Look, for a few seconds."""
    over_udp, others = paths.peers_by_way()
    verdict = paths.verdict(4)
    at = verdict.seen[0] if verdict.seen else None
    other_ports, strangers, hairpin = await asyncio.gather(
        _knock(paths, over_udp, at), _knock(paths, others, at), _hairpin(paths, at)
    )
    router = paths.mapping.report()
    own = paths.own_addresses
    return netcheck.document(
        Findings(
            listens=bool(paths.hands.listeners(4)),
            peers=len(over_udp) + len(others),
            peers_over_udp=len(over_udp),
            verdict=verdict,
            verdict_v6=paths.verdict(6),
            lets_in_other_ports=other_ports,
            lets_in_strangers=strangers,
            hairpin=hairpin,
            mapped=router["mapped"],
            mapping_problem=router["problem"],
            has_ipv6=any(":" in host and ipaddress.ip_address(host).is_global for host in own),
        )
    )


async def _knock(paths: Paths, peers: Sequence[str], at: Endpoint | None) -> bool | None:
    """Does one of these peers reach this node from a port that it has not sent to? None if none of them tries."""
    tried = None
    for peer in peers[:MOST_ASKED] if at is not None else ():
        with suppress(PeerProtocolError):
            if await paths.knocking.ask_to_knock(peer, str(at), KNOCK_SECONDS):
                return True
            tried = False
    return tried


async def _hairpin(paths: Paths, at: Endpoint | None) -> bool | None:
    """Two sockets of this host: does one reach the other at the NAT's outer address? None where the NAT's port for them is not
    known: it is if the NAT keeps ports."""
    listeners = paths.hands.listeners(4)
    if at is None or not listeners or at.port != listeners[0].local.port:
        return None
    loop, secret = asyncio.get_running_loop(), entropy.random_bytes(16)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        try:
            for sock in (one, other):
                sock.settimeout(0)
                paths.exempt(sock)
                sock.bind(("0.0.0.0", 0))
            one.sendto(b"", (at.host, SINK_PORT))  # so that the NAT has a mapping for it
            async with asyncio.timeout(HAIRPIN_SECONDS):
                while True:
                    other.sendto(secret, (at.host, one.getsockname()[1]))
                    with suppress(TimeoutError):
                        async with asyncio.timeout(HAIRPIN_SECONDS / 5):
                            if await loop.sock_recv(one, 64) == secret:
                                return True
        except TimeoutError:
            return False
        except OSError:
            return None
