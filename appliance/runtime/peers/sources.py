"""Peers that discovery kinds bring and the profile does not name, as far as it lets them.

Fails closed: a kind may bring peers only where `peers_from` names it, as many as stand there, with prefixes inside of those that
stand there. What is left to judge is the table's: such a peer never has the name, identity or prefix of another one.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from appliance.api.discovery import BroughtPeer
from appliance.api.profile import PeersFrom
from appliance.api.values import Endpoint, Network
from appliance.foundation import clock
from appliance.foundation.logging import get_logger, once_per
from appliance.runtime.peers.routes import may_have
from appliance.runtime.peers.table import Origin, PeerEntry, PeerRefused, PeerTable

log = get_logger("discovery")

REFUSED_EVERY = 600.0
"""Seconds between two log lines about the same refusal."""
TURN_SECONDS: Final = 0.005
REST_SECONDS: Final = 0.005
"""How long a list may hold the loop, and how long others have it then."""
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
    """What each kind brought last, and what of it was taken. `refused` counts peers that were not, by reason.

    A list may be long, so what is done with it takes turns with everything else on the loop; one list at a time is worked on.
    """

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._limits: Mapping[str, PeersFrom] = {}
        self._lists: dict[str, tuple[BroughtPeer, ...]] = {}
        self._held: dict[str, dict[str, PeerEntry]] = {}
        self._working = asyncio.Lock()
        self._turn = 0.0
        self.refused: Counter[str] = Counter()

    async def use(self, limits: Mapping[str, PeersFrom]) -> None:
        """The profile's `peers_from` is this from now on; its own peers may be others, too. All lists are judged anew."""
        self._limits = limits
        for kind, peers in list(self._lists.items()):
            await self.take(kind, peers)

    async def take(self, kind: str, peers: Sequence[BroughtPeer]) -> None:
        """The complete list of `kind`: who is not in it any more goes. Raises TypeError for what is no peer."""
        async with self._working:
            self._turn = clock.monotonic()
            await self._take(kind, peers)

    async def drop(self, kind: str) -> None:
        """`kind` runs no more, and its peers go."""
        await self.take(kind, ())
        self._lists.pop(kind, None)
        self._held.pop(kind, None)

    def kind_of(self, name: str) -> str:
        """The kind that brought this peer; "" if none did."""
        return next((kind for kind, held in self._held.items() if name in held), "")

    def stats(self) -> dict[str, int]:
        """How many were taken by kind, and how many were not by reason."""
        there = {f"from {kind}": len(held) for kind, held in self._held.items()}
        return there | {f"refused {reason}": times for reason, times in self.refused.items()}

    async def _take(self, kind: str, peers: Sequence[BroughtPeer]) -> None:
        sound = []
        for peer in peers:
            sound.append(_sound(peer))
            await self._breathe()
        self._lists[kind] = tuple(sound)
        held = await self._held_by(kind)
        wanted = await self._let_in(kind, sound)
        for name in [name for name in held if name not in wanted]:  # first, as another may have its prefix
            if self._done(kind, name, functools.partial(self._keeper.drop_peer, name)):
                del held[name]
            await self._breathe()
        for name, entry in wanted.items():
            if held.get(name) != entry:
                change = self._keeper.change_peer if name in held else self._keeper.add_peer
                if self._done(kind, name, functools.partial(change, entry)):
                    held[name] = entry
            await self._breathe()

    async def _breathe(self) -> None:
        """Let others have the loop, if this one's turn is over."""
        if clock.monotonic() - self._turn > TURN_SECONDS:
            await asyncio.sleep(REST_SECONDS)
            self._turn = clock.monotonic()

    async def _held_by(self, kind: str) -> dict[str, PeerEntry]:
        """What the table still has of it: a peer of the profile may have taken a place since."""
        held = self._held.setdefault(kind, {})
        for name in list(held):
            entry = self._keeper.table.get(name)
            if entry is None or entry.origin is not Origin.MEMBER or entry.identity != held[name].identity:
                del held[name]
            await self._breathe()
        return held

    async def _let_in(self, kind: str, peers: Sequence[BroughtPeer]) -> dict[str, PeerEntry]:
        """Those that the profile does not refuse, by name."""
        peers_from = self._limits.get(kind)
        if peers_from is None:
            self._refuse(kind, peers, NOT_ALLOWED, f"the profile has no peers_from.{kind}")
            return {}
        found: dict[str, PeerEntry] = {}
        for number, peer in enumerate(peers):
            if len(found) == peers_from.most:
                self._refuse(kind, peers[number:], TOO_MANY, f"peers_from.{kind}.most is {peers_from.most}")
                break
            if wrong := _outside(peer, peers_from.allowed):
                self._refuse(kind, [peer], OUTSIDE, f"{wrong} is outside of peers_from.{kind}.allowed")
            else:
                found[peer.name] = _entry(peer)
            await self._breathe()
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
