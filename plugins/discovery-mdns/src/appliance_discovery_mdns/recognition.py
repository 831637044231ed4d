"""Whose announcement is it? Pure.

One answer takes a hash for each peer, so there are so many hashes a second and no more: a neighbour who invents announcements
delays others' being recognised, and nothing else.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from appliance_discovery_mdns.announcement import Announcement, tag

HASHES_PER_SECOND: Final = 20_000
"""Of two microseconds each: a twenty-fifth of a core at most."""
MOST_REMEMBERED: Final = 1024
"""Answers that are remembered, the oldest goes first: an announcement comes again and again."""
OWN: Final = ""
"""The name of this node itself."""


class Busy(Exception):
    """There were as many hashes as there may be within a second."""


class Recognition:
    """Knows the identities of peers by name, and its own."""

    def __init__(self) -> None:
        self._identities: dict[str, str] = {}
        self._left = HASHES_PER_SECOND
        self._known: OrderedDict[tuple[bytes, bytes], str | None] = OrderedDict()

    def use(self, own: str, peers: Mapping[str, str]) -> None:
        """These are the identities from now on."""
        fresh = {OWN: own, **peers}
        if fresh != self._identities:
            self._identities = fresh
            self._known.clear()

    def refill(self) -> None:
        """A second has gone by."""
        self._left = HASHES_PER_SECOND

    def whose(self, announcement: Announcement) -> str | None:
        """The name of the peer (OWN: this node) that made it; None if it is a stranger's. Raises Busy."""
        key = announcement.nonce, announcement.tag
        if key not in self._known:
            if self._left < len(self._identities) and self._left < HASHES_PER_SECOND:
                raise Busy
            self._left -= len(self._identities)
            found = (name for name, identity in self._identities.items() if tag(identity, key[0]) == key[1])
            self._known[key] = next(found, None)
            if len(self._known) > MOST_REMEMBERED:
                self._known.popitem(last=False)
        return self._known[key]
