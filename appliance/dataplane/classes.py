"""Traffic classes: which one a packet belongs to, by the rules of the profile, or by its DSCP where none fits. On the hot path.

The first rule that fits a packet decides. Rules that look at the DSCP only become a table of 256 entries, one for each value of
the TOS byte. As soon as one rule looks at more, each flow is judged once and the answer is remembered.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from appliance.api.values import Octets

CLASSES: Final = ("interactive", "normal", "bulk")
INTERACTIVE, NORMAL, BULK = range(3)

INTERACTIVE_DSCPS: Final = (46, 44, 40, 48, 56, 32, 34, 36, 38)
"""EF, VA, CS5, CS6, CS7, CS4, AF41, AF42, AF43: telephony, signalling, control and conferencing (RFC 4594, RFC 5865)."""
BULK_DSCPS: Final = (8, 1)
"""CS1 (RFC 4594) and LE (RFC 8622): senders that ask for less than best effort."""
REMEMBERED: Final = 65536
"""Flows whose class is remembered. All are forgotten when there are more, so that a port scan costs time, not memory."""
WITH_PORTS: Final = frozenset((6, 17, 33, 132, 136))
"""TCP, UDP, DCCP, SCTP, UDP-Lite: their headers begin with the ports."""

Classify = Callable[["Octets", int, int], int]
"""`classify(buffer, at, tos)`: the class of the IP packet at `at`, whose TOS or traffic class byte is `tos`."""


class Rule(NamedTuple):
    """It fits a packet when each of its conditions does; a condition that is empty or None always does."""

    kind: int
    """The class of packets that fit: an index of CLASSES."""
    dscps: frozenset[int] = frozenset()
    """Any of these."""
    protocol: int | None = None
    """The IP protocol."""
    ports: tuple[tuple[int, int], ...] = ()
    """Ranges, both ends included. One must hold the port of either end of the flow."""
    source: tuple[int, int, int] | None = None
    """Version, network and mask."""
    destination: tuple[int, int, int] | None = None
    """Version, network and mask."""

    @property
    def dscp_only(self) -> bool:
        """Does the TOS byte alone decide?"""
        return self.protocol is None and not self.ports and self.source is None and self.destination is None


class Flow(NamedTuple):
    """What rules look at in a packet."""

    tos: int
    """The TOS byte (IPv4) or the traffic class (IPv6)."""
    version: int
    protocol: int
    source: int
    destination: int
    ports: tuple[int, ...]
    """Source and destination; empty if the packet has none."""


def rule_from(fields: Mapping[str, Any]) -> Rule:
    """A rule as the worker is told it: "class", and those of "dscp", "protocol", "ports", "from", "to" that the profile gives."""
    return Rule(
        CLASSES.index(fields["class"]),
        frozenset(fields.get("dscp") or ()),
        fields.get("protocol"),
        tuple((low, high) for low, high in fields.get("ports") or ()),
        _prefix(fields.get("from")),
        _prefix(fields.get("to")),
    )


def _prefix(text: str | None) -> tuple[int, int, int] | None:
    if text is None:
        return None
    network = ipaddress.ip_network(text)
    return network.version, int(network.network_address), int(network.netmask)


def compile_classifier(rules: Iterable[Rule]) -> Classify:
    """The fastest function that judges by `rules`, and by DSCP where none fits."""
    rules = tuple(rules)
    usual = by_tos(())
    if all(rule.dscp_only for rule in rules):
        table = by_tos(rules)
        return lambda _buffer, _at, tos: table[tos]
    #                       TOS   fragment protocol  addresses and ports
    key_v4 = struct.Struct("!xB4xHxB2x12s").unpack_from
    key_v6 = struct.Struct("!2x4xB1x36s").unpack_from
    remembered: dict[tuple[Any, ...], int] = {}

    def classify(buffer: Octets, at: int, tos: int) -> int:
        if buffer[at] == 0x45 or buffer[at] >= 0x60:
            try:
                key = key_v4(buffer, at) if buffer[at] == 0x45 else (tos, *key_v6(buffer, at))
            except struct.error:  # too short for ports
                return judge(flow_of(buffer, at, tos))
            known = remembered.get(key)
            if known is None:
                if len(remembered) >= REMEMBERED:
                    remembered.clear()
                known = remembered[key] = judge(flow_of(buffer, at, tos))
            return known
        return judge(flow_of(buffer, at, tos))

    def judge(flow: Flow) -> int:
        return next((rule.kind for rule in rules if fits(rule, flow)), usual[flow.tos])

    return classify


def by_tos(rules: Iterable[Rule]) -> bytes:
    """The class for each TOS byte, by rules that look at the DSCP only, and by the usual meaning of the DSCP where none fits."""
    kinds = [INTERACTIVE if dscp in INTERACTIVE_DSCPS else BULK if dscp in BULK_DSCPS else NORMAL for dscp in range(64)]
    for rule in reversed(tuple(rules)):
        for dscp in rule.dscps or range(64):
            kinds[dscp] = rule.kind
    return bytes(kinds[tos >> 2] for tos in range(256))


def flow_of(buffer: Octets, at: int, tos: int) -> Flow:
    """What the rules look at in an IP packet. Ports are read of a first fragment only, and not behind IPv6 extension headers."""
    if buffer[at] < 0x60:
        protocol, whole = buffer[at + 9], not (buffer[at + 6] << 8 | buffer[at + 7]) & 0x1FFF
        addresses, width, transport, version = at + 12, 4, at + (buffer[at] & 15) * 4, 4
    else:
        protocol, whole = buffer[at + 6], True
        addresses, width, transport, version = at + 8, 16, at + 40, 6
    source = int.from_bytes(buffer[addresses : addresses + width], "big")
    destination = int.from_bytes(buffer[addresses + width : addresses + 2 * width], "big")
    ports: tuple[int, ...] = ()
    if whole and protocol in WITH_PORTS and len(buffer) >= transport + 4:
        ports = struct.unpack_from("!HH", buffer, transport)
    return Flow(tos, version, protocol, source, destination, ports)


def fits(rule: Rule, flow: Flow) -> bool:
    """Do all conditions of the rule fit this flow?"""
    return (
        (not rule.dscps or flow.tos >> 2 in rule.dscps)
        and (rule.protocol is None or rule.protocol == flow.protocol)
        and (not rule.ports or any(low <= port <= high for low, high in rule.ports for port in flow.ports))
        and (rule.source is None or _within(rule.source, flow.version, flow.source))
        and (rule.destination is None or _within(rule.destination, flow.version, flow.destination))
    )


def _within(prefix: tuple[int, int, int], version: int, address: int) -> bool:
    return prefix[0] == version and address & prefix[2] == prefix[1]
