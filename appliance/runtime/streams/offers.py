"""Services that nodes of the network offer: this host's go into its row while they are served, the others' are in theirs.

serve ─ service_health ─▶ Offers ─▶ this node's row ─▶ the others        their rows ─▶ found ─▶ services, services with watch
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from appliance.foundation import clock
from appliance.members.network import identity_text
from appliance.members.offer import Offer, OfferRefused, offer_of, service_of
from appliance.members.own_row import ROW_SECONDS
from appliance.members.row import MOST_SERVICES, Digest, Row, Service
from appliance.runtime.streams.errors import NotServedHere

if TYPE_CHECKING:
    from appliance.runtime.streams.served import Served

GATHER_SECONDS: Final = 0.25
"""Changes that come so close after each other are told to followers together."""
CALM_SECONDS: Final = 10.0
"""Least between two rows that differ in loads alone, and between any two once there were many: rows go to every member."""
MOST_URGENT: Final = 6
"""Rows in a minute that need not wait so long; what changes within ROW_SECONDS becomes one row anyway."""


class Roster(Protocol):
    """What is known of the network's members. `runtime.members.gossip` is one; a node without a network has none."""

    offered: Callable[[], Sequence[Service]]
    rows_changed: list[Callable[[], None]]
    listeners: list[Callable[[str, Mapping[str, Any]], None]]

    def look(self) -> None:
        """What this node's row should say may have changed."""
        ...

    def rows(self) -> Mapping[Digest, Row]:
        """The members' rows, this node's among them."""
        ...

    def standing(self, identity: str) -> str:
        """What is known of a member."""
        ...


class Known(NamedTuple):
    """What this host's node knows of a peer."""

    name: str
    connected: bool
    rtt_ms: float | None


class Offers:
    """Of one node. `served` has what applications of this host serve now; `peer_of(identity)` is what is known of a peer, None of
    a stranger; `own_name()` is what this node is called."""

    def __init__(
        self,
        roster: Roster | None,
        served: Mapping[str, Served],
        peer_of: Callable[[str], Known | None],
        own_name: Callable[[], str],
        own_identity: str,
    ) -> None:
        self._roster = roster
        self._served = served
        self._peer_of = peer_of
        self._own_name = own_name
        self._own_identity = own_identity
        self._offers: dict[str, Offer] = {}
        self._in_row: tuple[Service, ...] = ()
        self._row_at = float("-inf")
        self._urgent: deque[float] = deque([float("-inf")] * MOST_URGENT, MOST_URGENT)
        """When the last urgent rows were written."""
        self._read: dict[Digest, tuple[Row, tuple[Offer, ...]]] = {}
        """What rows offer, as they were when they were read last."""
        self._changed = asyncio.Event()
        self._gathering: asyncio.TimerHandle | None = None
        self._later: asyncio.TimerHandle | None = None
        if roster is not None:
            roster.offered = lambda: self._in_row
            roster.rows_changed.append(self._soon)
            roster.listeners.append(lambda _event, _fields: self._soon())

    def close(self) -> None:
        """Nothing is offered any more."""
        for handle in (self._gathering, self._later):
            if handle is not None:
                handle.cancel()

    # ---- this host's ----

    def offer(self, offer: Offer, uid: int) -> None:
        """Tell the network of a service that an application of this user serves here, or what is new of it. Raises NotServedHere,
        OfferRefused."""
        served = self._served.get(offer.service)
        if served is None or uid not in {served.uid, 0}:
            raise NotServedHere(f"no application of this user serves {offer.service} on this host", hint="serve it first")
        service_of(offer)
        if offer.service not in self._offers and len(self._offers) >= MOST_SERVICES:
            raise OfferRefused(f"this node's row tells of {MOST_SERVICES} services already", hint="take one of them back")
        before, self._offers[offer.service] = self._offers.get(offer.service), offer
        self._publish(urgent=before is None or before._replace(load=0) != offer._replace(load=0))

    def ended(self, service: str) -> None:
        """It is not served here any more."""
        if self._offers.pop(service, None) is not None:
            self._publish(urgent=True)

    def _publish(self, *, urgent: bool) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
        now = clock.monotonic()
        wait = 0.0
        if urgent and self._urgent[-1] < now - ROW_SECONDS and self._urgent[0] < now - 60:
            self._urgent.append(now)
        elif not urgent or self._urgent[-1] < now - ROW_SECONDS:
            wait = self._row_at + CALM_SECONDS - now
        if wait > 0:
            self._later = asyncio.get_running_loop().call_later(wait, self._into_row)
        else:
            self._into_row()
        self._soon()

    def _into_row(self) -> None:
        self._later = None
        self._row_at = clock.monotonic()
        self._in_row = tuple(service_of(offer) for _, offer in sorted(self._offers.items()))
        if self._roster is not None:
            self._roster.look()

    # ---- everybody's ----

    def found(self, service: str | None = None) -> list[dict[str, Any]]:
        """Who offers `service`, or anything; in order of services and names."""
        offers = [*self._own(service), *self._others(service)]
        return sorted(offers, key=lambda each: (each["service"], not each["own"], each["node"]))

    async def follow(self, service: str | None) -> AsyncGenerator[Any, None]:
        """`found` now, and whenever it has changed. Ends when it is closed."""
        before = self.found(service)
        yield before
        while True:
            changed = self._changed
            await changed.wait()
            now = self.found(service)
            if now != before:
                before = now
                yield now

    def shown(self) -> dict[str, Any]:
        """For `status`: what this host offers."""
        return {name: {"health": str(offer.health), "load": offer.load} for name, offer in sorted(self._offers.items())}

    def _own(self, service: str | None) -> Iterator[dict[str, Any]]:
        for offer in self._offers.values():
            if service in {None, offer.service}:
                yield _told(offer, self._own_name(), self._own_identity, "alive") | {
                    "connected": True,
                    "rtt_ms": None,
                    "own": True,
                }

    def _others(self, service: str | None) -> Iterator[dict[str, Any]]:
        if self._roster is None:
            return
        for digest, row in self._roster.rows().items():
            if not row.services or row.leaving:
                continue
            offers = [offer for offer in self._offers_of(digest, row) if service in {None, offer.service}]
            identity = identity_text(digest)
            peer = self._peer_of(identity) if offers and identity != self._own_identity else None
            if peer is not None:
                about = {"connected": peer.connected, "rtt_ms": peer.rtt_ms, "own": False}
                standing = self._roster.standing(identity)
                yield from (_told(offer, peer.name, identity, standing) | about for offer in offers)

    def _offers_of(self, digest: Digest, row: Row) -> tuple[Offer, ...]:
        """Of a thousand rows, most are as they were: what they say is read once."""
        known = self._read.get(digest)
        if known is not None and known[0] is row:
            return known[1]
        if len(self._read) > 2 * len(self._roster.rows() if self._roster is not None else ()):
            self._read.clear()  # most are of members that have gone
        offers = tuple(offer for offer in map(offer_of, row.services) if offer is not None)
        self._read[digest] = row, offers
        return offers

    def _soon(self) -> None:
        """Something may be different: look again a moment later, all followers at once."""
        if self._gathering is None:
            self._gathering = asyncio.get_running_loop().call_later(GATHER_SECONDS, self._tell)

    def _tell(self) -> None:
        self._gathering = None
        self._changed.set()
        self._changed = asyncio.Event()


def _told(offer: Offer, node: str, identity: str, standing: str) -> dict[str, Any]:
    return {
        "service": offer.service,
        "node": node,
        "identity": identity,
        "health": str(offer.health),
        "load": offer.load,
        "metadata": dict(offer.metadata),
        "standing": standing,
    }
