"""Between whom a direct path is possible over UDP, by what lies between the hosts and the internet. Pure.

Two sides that send to each other's outer address at the same moment get through, unless one has another port for each remote and
the other lets in by port (RFC 5128, section 3.3; Ford, Srisuresh and Kegel, 2005).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, IntEnum
from typing import Final

from appliance.lab.layout import Layout
from appliance.lab.nat import Kind


class Strictness(IntEnum):
    """How hard it is to get in. Of several NATs in a row the strictest counts."""

    OPEN = 0
    """Anybody who knows a mapping gets in."""
    BY_ADDRESS = 1
    BY_PORT = 2
    SYMMETRIC = 3
    """By port, and the mapping is another for each remote."""
    BLOCKED = 4
    """UDP does not pass."""


STRICTNESS: Final[dict[Kind, Strictness]] = {
    "none": Strictness.OPEN,
    "full-cone": Strictness.OPEN,
    "one-to-one": Strictness.OPEN,
    "hairpin": Strictness.OPEN,
    "address-restricted": Strictness.BY_ADDRESS,
    "port-restricted": Strictness.BY_PORT,
    "plain": Strictness.BY_PORT,
    "cgnat": Strictness.BY_PORT,
    "firewall": Strictness.BY_PORT,
    "symmetric": Strictness.SYMMETRIC,
    "symmetric-sequential": Strictness.SYMMETRIC,
    "udp-blocked": Strictness.BLOCKED,
    "only-443": Strictness.BLOCKED,
    "web-only": Strictness.BLOCKED,
    "ipv6-only": Strictness.BLOCKED,
}


def strictness(kinds: Sequence[Kind]) -> Strictness:
    """Of what lies between a host and the internet."""
    return max((STRICTNESS[kind] for kind in kinds), default=Strictness.OPEN)


class Outlook(Enum):
    """Whether two hosts can find a direct IPv4 path."""

    SURE = "sure"
    BY_CHANCE = "by chance"
    """Only by guessing ports: foretold from the last ones, or met by trying many."""
    NONE = "none"


def outlook(one: Sequence[Kind], other: Sequence[Kind]) -> Outlook:
    """Of two hosts behind these kinds of NAT."""
    easier, stricter = sorted((strictness(one), strictness(other)))
    if stricter == Strictness.BLOCKED:
        return Outlook.NONE
    return Outlook.SURE if easier <= Strictness.BY_ADDRESS or stricter <= Strictness.BY_PORT else Outlook.BY_CHANCE


def kinds_before(layout: Layout, host: str) -> list[Kind]:
    """What IPv4 packets of a host pass on their way to the internet, its own router first."""
    kinds: list[Kind] = []
    machine = host
    while gateway := _gateway(layout, machine):
        kinds.append(layout.routers[gateway].nat)
        machine = gateway
    return kinds


def share_a_wire(layout: Layout, one: str, other: str) -> bool:
    """Do two hosts reach each other without a router?"""
    return any(wire.end(one) is not None and wire.end(other) is not None for wire in layout.wires)


def _gateway(layout: Layout, machine: str) -> str | None:
    via = next(
        (route.via for route in layout.routes_of(machine) if route.prefix.prefixlen == 0 and route.prefix.version == 4), None
    )
    found = (end.machine for wire in layout.wires if wire.end(machine) for end in wire.ends if end.address(4) == via)
    return next(found, None) if via is not None else None
