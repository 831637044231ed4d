"""At which addresses others see this node. Pure.

One peer may lie or sit in the same network, so an address counts when more than half of those who saw one of its family saw it.
"""

from __future__ import annotations

import ipaddress
from collections import Counter, OrderedDict
from typing import Final

from appliance_discovery_libp2p.kad.reach import Reach, reach

MOST_WITNESSES: Final = 32
"""The latest are kept."""


class Seen:
    """Remembers what each peer said last."""

    def __init__(self) -> None:
        self._told: OrderedDict[tuple[bytes, int], str] = OrderedDict()

    def told(self, peer: bytes, host: str) -> None:
        """This peer sees us there."""
        if reach(host) > Reach.HOST:
            key = peer, ipaddress.ip_address(host).version
            self._told[key] = host
            self._told.move_to_end(key)
            if len(self._told) > MOST_WITNESSES:
                self._told.popitem(last=False)

    def hosts(self) -> tuple[str, ...]:
        """An address of each family at most, IPv4 first."""
        found = []
        for version in (4, 6):
            votes = Counter(host for (_, family), host in self._told.items() if family == version)
            for host, count in votes.most_common(1):
                if 2 * count > votes.total():
                    found.append(host)
        return tuple(found)
