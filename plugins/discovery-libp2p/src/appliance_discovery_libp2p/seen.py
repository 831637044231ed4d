"""At which addresses others see this node. Pure.

One peer may lie or sit in the same network, so an address counts when more than half of those who saw one of its family saw it.
Peers that this node called are believed before those that called, since anybody can call under many names.
"""

from __future__ import annotations

import ipaddress
from collections import Counter, OrderedDict
from typing import Final

from appliance_discovery_libp2p.kad.reach import Reach, reach

MOST_WITNESSES: Final = 32
"""Of each kind; the latest are kept."""

Witnesses = OrderedDict[tuple[bytes, int], str]
"""What a peer said last, by peer and family (4 or 6)."""


class Seen:
    """Remembers what each peer said last."""

    def __init__(self) -> None:
        self._asked: Witnesses = OrderedDict()
        self._callers: Witnesses = OrderedDict()

    def told(self, peer: bytes, host: str, *, asked: bool) -> None:
        """This peer sees us there; `asked`: this node called it."""
        if reach(host) <= Reach.HOST:
            return
        told, key = self._asked if asked else self._callers, (peer, ipaddress.ip_address(host).version)
        told[key] = host
        told.move_to_end(key)
        if len(told) > MOST_WITNESSES:
            told.popitem(last=False)

    def hosts(self) -> tuple[str, ...]:
        """An address of each family at most, IPv4 first."""
        found = (_majority(self._asked, version) or _majority(self._callers, version) for version in (4, 6))
        return tuple(host for host in found if host is not None)


def _majority(told: Witnesses, version: int) -> str | None:
    votes = Counter(host for (_, family), host in told.items() if family == version)
    if not votes:
        return None
    host, count = votes.most_common(1)[0]
    return host if 2 * count > votes.total() else None
