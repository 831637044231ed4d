"""The peers of a running node: they come, change and go here, and everybody who keeps something of them follows.

The order is what makes it safe. Workers know a peer, and what it may send, before the node may have a session with it; the
node has ended its sessions before the workers forget it. A prefix goes to its old peer or to its new one at each moment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Protocol

from appliance.api.values import Network
from appliance.foundation.logging import get_logger
from appliance.runtime.peers.forwarding import Forwarding
from appliance.runtime.peers.table import Address, Delta, PeerEntry, PeerRefused, PeerTable

log = get_logger("peers")


class Follower(Protocol):
    """Who keeps something of the peers."""

    def follow(self, delta: Delta) -> None:
        """The table changed like this."""


class Peers:
    """The table and who follows it. `can_compress()`: have the workers what compression takes?"""

    def __init__(
        self, table: PeerTable, forwarding: Forwarding, node: Follower, discovery: Follower, can_compress: Callable[[], bool]
    ) -> None:
        self.table = table
        self.refused: Counter[str] = Counter()
        """Changes of members that were refused, by reason."""
        self._forwarding = forwarding
        self._node = node
        self._discovery = discovery
        self._can_compress = can_compress
        self.changed: Callable[[], None] = lambda: None
        """Called when the table changed, and all who follow it know."""

    def add_peer(self, entry: PeerEntry) -> None:
        """A member comes: it may have a session from now on, and is called if it has endpoints. Raises PeerRefused."""
        self._follow(self._judged(lambda: self.table.add(self._fit(entry))), at_once=False)

    def change_peer(self, entry: PeerEntry) -> None:
        """The member of that name is like this from now on. Its session goes on, unless it has another identity. Raises
        PeerRefused."""
        self._follow(self._judged(lambda: self.table.change(self._fit(entry))), at_once=False)

    def drop_peer(self, name: str) -> None:
        """A member goes: its sessions end, and nothing is sent to it any more. Raises PeerRefused."""
        self._follow(self._judged(lambda: self.table.drop(name)), at_once=False)

    def use_profile(self, entries: Iterable[PeerEntry], own: Iterable[Address], reserved: Iterable[Network] = ()) -> None:
        """These are the profile's peers from now on, `own` this node's addresses, `reserved` ranges for members. Members that
        clash with them go."""
        delta = self.table.use_profile(entries, own, reserved)
        for member, reason in delta.displaced:
            self.refused[reason] += 1
            log.warning("a member made room for the profile", member=member.name, reason=str(reason))
        self._follow(delta, at_once=True)

    def _follow(self, delta: Delta, *, at_once: bool) -> None:
        self._forwarding.follow(delta, at_once=at_once)
        if delta:
            self._node.follow(delta)
            self._forwarding.part(delta)
            self._discovery.follow(delta)
            self.changed()

    def _judged(self, change: Callable[[], Delta]) -> Delta:
        try:
            return change()
        except PeerRefused as refused:
            self.refused[refused.reason] += 1
            raise

    def _fit(self, entry: PeerEntry) -> PeerEntry:
        """Workers load what compression takes at their start or never."""
        return entry._replace(compression=entry.compression and self._can_compress())
