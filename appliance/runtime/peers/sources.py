"""Peers that discovery kinds bring and the profile does not name, as far as it lets them.

Fails closed: a kind may bring peers only where `peers_from` names it, as many as stand there, with prefixes inside of those that
stand there. What is left to judge is the table's: such a peer never has the name, identity or prefix of another one.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from appliance.api.discovery import BroughtPeer
from appliance.api.profile import PeersFrom
from appliance.api.values import Endpoint, Network
from appliance.foundation.logging import get_logger, once_per
from appliance.runtime.peers.routes import may_have
from appliance.runtime.peers.table import Origin, PeerEntry, PeerRefused, PeerTable

log = get_logger("discovery")

REFUSED_EVERY = 600.0
"""Seconds between two log lines about the same refusal."""
NOT_ALLOWED, TOO_MANY, OUTSIDE = "not-allowed", "too-many", "outside"
"""Why a peer is not taken, besides the reasons of the table."""


class Keeper(Protocol):
    """`Peers`. Its deeds raise PeerRefused."""

    @property
    def table(self) -> PeerTable:
        """All peers."""

    def add_peer(self, entry: PeerEntry) -> None:
        """A member comes."""

    def change_peer(self, entry: PeerEntry) -> None:
        """The member of that name is like this from now on."""

    def drop_peer(self, name: str) -> None:
        """A member goes."""


class Brought:
    """What each kind brought last, and what of it was taken. `refused` counts peers that were not, by reason."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._limits: Mapping[str, PeersFrom] = {}
        self._lists: dict[str, tuple[BroughtPeer, ...]] = {}
        self._held: dict[str, dict[str, PeerEntry]] = {}
        self.refused: Counter[str] = Counter()

    def use(self, limits: Mapping[str, PeersFrom]) -> None:
        """The profile's `peers_from` is this from now on; its own peers may be others, too. All lists are judged anew."""
        self._limits = limits
        for kind, peers in self._lists.items():
            self.take(kind, peers)

    def take(self, kind: str, peers: Sequence[BroughtPeer]) -> None:
        """The complete list of `kind`: who is not in it any more goes. Raises TypeError for what is no peer."""
        self._lists[kind] = tuple(map(_sound, peers))
        held = self._held_by(kind)
        wanted = {peer.name: _entry(peer) for peer in self._let_in(kind, peers)}
        for name in [name for name in held if name not in wanted]:  # first, as another may have its prefix
            if self._done(kind, name, lambda name=name: self._keeper.drop_peer(name)):  # type: ignore[misc]
                del held[name]
        for name, entry in wanted.items():
            if held.get(name) == entry:
                continue
            change = self._keeper.change_peer if name in held else self._keeper.add_peer
            if self._done(kind, name, lambda change=change, entry=entry: change(entry)):  # type: ignore[misc]
                held[name] = entry

    def drop(self, kind: str) -> None:
        """`kind` runs no more, and its peers go."""
        self.take(kind, ())
        del self._lists[kind], self._held[kind]

    def stats(self) -> dict[str, int]:
        """How many are there by kind, and how many were not taken by reason."""
        there = {f"from {kind}": len(self._held_by(kind)) for kind in self._lists}
        return there | {f"refused {reason}": times for reason, times in self.refused.items()}

    def _held_by(self, kind: str) -> dict[str, PeerEntry]:
        """What the table still has of it: a peer of the profile may have taken a place since."""
        held = self._held.setdefault(kind, {})
        for name in list(held):
            entry = self._keeper.table.get(name)
            if entry is None or entry.origin is not Origin.MEMBER or entry.identity != held[name].identity:
                del held[name]
        return held

    def _let_in(self, kind: str, peers: Sequence[BroughtPeer]) -> list[BroughtPeer]:
        """Those that the profile does not refuse."""
        peers_from = self._limits.get(kind)
        if peers_from is None:
            self._refuse(kind, peers, NOT_ALLOWED, f"the profile has no peers_from.{kind}")
            return []
        found: list[BroughtPeer] = []
        for number, peer in enumerate(peers):
            if len(found) == peers_from.most:
                self._refuse(kind, peers[number:], TOO_MANY, f"peers_from.{kind}.most is {peers_from.most}")
                break
            if wrong := _outside(peer, peers_from.allowed):
                self._refuse(kind, [peer], OUTSIDE, f"{wrong} is outside of peers_from.{kind}.allowed")
            else:
                found.append(peer)
        return found

    def _done(self, kind: str, name: str, deed: Callable[[], None]) -> bool:
        try:
            deed()
        except PeerRefused as refused:
            self.refused[refused.reason] += 1
            self._say(kind, name, refused.reason, refused.message)
            return False
        return True

    def _refuse(self, kind: str, peers: Sequence[BroughtPeer], reason: str, why: str) -> None:
        if peers:
            self.refused[reason] += len(peers)
            self._say(kind, peers[0].name, reason, why)

    def _say(self, kind: str, name: str, reason: str, why: str) -> None:
        if times := once_per(REFUSED_EVERY, f"brought {kind} {reason}"):
            log.warning("a peer that discovery brings is not taken", kind=kind, peer=name[:64], reason=why, times=times)


def _sound(peer: BroughtPeer) -> BroughtPeer:
    """A plugin may give anything."""
    prefixes, endpoints = tuple(peer.allowed), tuple(peer.endpoints)
    texts = all(isinstance(text, str) for text in (peer.name, peer.identity))
    networks = all(isinstance(prefix, ipaddress.IPv4Network | ipaddress.IPv6Network) for prefix in prefixes)
    if not (texts and networks and all(isinstance(endpoint, Endpoint) for endpoint in endpoints)):
        raise TypeError(
            "a brought peer has a name, an identity, prefixes and endpoints of the types in api.discovery.BroughtPeer"
        )
    return peer._replace(allowed=prefixes, endpoints=endpoints)


def _entry(peer: BroughtPeer) -> PeerEntry:
    return PeerEntry(peer.name, peer.identity, peer.endpoints, peer.allowed, origin=Origin.MEMBER)


def _outside(peer: BroughtPeer, allowed: tuple[Network, ...]) -> str:
    """The first prefix of a peer that it may not have; a peer without any has no use."""
    if not peer.allowed:
        return "a peer without prefixes"
    return next((str(prefix) for prefix in peer.allowed if not may_have(prefix, allowed)), "")
