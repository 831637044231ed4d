"""Links over relays: circuits that this node asked for, or was called by, and a watch over the relays that carry them.

        transport `relay` ── link's socket ══ SEQPACKET pair ══ other end ── channel of the session with the relay ──▶

A link ends when either side closes it, when the session with the relay ends, and when the relay does not answer any more.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from appliance.api.peer_protocol import Answer, PeerProtocolError, PeerProtocolServices
from appliance.api.transport import Adopted
from appliance.api.values import RELAY, Endpoint
from appliance.errors import HostError
from appliance.foundation import clock
from appliance.foundation.logging import get_logger, once_per
from appliance.members.relays.choice import Choice
from appliance.members.relays.messages import (
    CircuitRefused,
    End,
    Load,
    Reason,
    judge,
    read_incoming,
    read_load,
    read_made,
)
from appliance.members.relays.nesting import check_way
from appliance.runtime.members.relays.around import RELAYS
from appliance.runtime.members.relays.waiting import Waiting
from appliance.runtime.workers.data_channels import Wishes, channel_pair
from appliance.wire.envelope import MAX_BODY_BYTES

if TYPE_CHECKING:
    from appliance.runtime.members.relays.around import Around
    from appliance.runtime.members.relays.company import Company

log = get_logger("relay")

CONNECT_SECONDS: Final = 4.0
"""How long a relay may take to make a circuit."""
SESSION_SECONDS: Final = 3.0
"""How long a dial waits for a session with the relay."""
WATCH_SECONDS: Final = 1.0
SILENT_SECONDS: Final = 2.0
"""Between two questions to a relay that carries a link, and how long it may take to answer: one that says nothing at all is given
up within 3 seconds. A request is sent twice in that time."""
IDLE_SECONDS: Final = 3.0
"""Between two questions to a relay at which this node can be called, and which carries nothing. One that was started anew has no
reservation until then."""
PICK_SECONDS: Final = 3.0
"""Between two looks which relays suit a member, more or less."""
SHUN_SECONDS: Final = 60.0
"""For how long a relay that did not answer is asked for no circuits, unless it answers meanwhile."""
TAG_BYTES: Final = 32
"""Of the record that carries a message to the relay, at most (docs/protocol.md, "Data channels")."""
SAID_EVERY: Final = 600.0
"""Seconds between two log lines about a relay that refuses for the same reason."""
ANSWER_SECONDS: Final = 4.0
"""How long after an offer the relay may still join the circuit: it waits 3 s for the answer to it."""
MESSAGE_BYTES: Final = MAX_BODY_BYTES - TAG_BYTES
MOST_INCOMING: Final = 64
"""Circuits that one relay may offer at a time, as many as a peer may have channels."""


@dataclass(slots=True)
class Held:
    """A circuit that carries a link of this node."""

    relay: str
    number: str
    channel: int
    peer: str
    """Who is at the other end, as far as the relay says."""
    since: float
    settled: float
    """After so many seconds the relay has joined it, if it ever will."""


class Using:
    """The circuits of this node as a user. `wake(peer)` asks for a session, `again(peer, endpoint)` has an endpoint tried again,
    `take(adopted)` makes a link that a stranger comes by, `crowded()` tells whether there are too many of those."""

    def __init__(
        self,
        around: Around,
        services: PeerProtocolServices,
        company: Company,
        *,
        wake: Callable[[str], None],
        again: Callable[[str, Endpoint], None],
        take: Callable[[Adopted], None],
        crowded: Callable[[], bool],
    ) -> None:
        self.counters: Counter[str] = Counter()
        self.choice = Choice()
        self._around = around
        self._services = services
        self._wake = wake
        self._take = take
        self._crowded = crowded
        self._company = company
        self._held: dict[tuple[str, str], Held] = {}
        self._waiting = Waiting(again)
        self._watched: dict[str, asyncio.Event] = {}
        """Relays that are watched, and what makes that hurry."""
        self._shunned: dict[str, float] = {}
        """Until when."""
        self._reserved: dict[str, str] = {}
        """Relays that have promised to bring callers, and their fingerprints."""
        services.spawn(self._pick(), "pick relays")

    @property
    def held(self) -> tuple[Held, ...]:
        """All circuits of now."""
        return tuple(self._held.values())

    # ---- calling ----

    async def dial(self, peer: str, endpoint: Endpoint) -> Adopted:
        """A link to `peer` over the relay that the endpoint names. Raises OSError with the reason."""
        around = self._around
        relay = around.name(endpoint.authority)
        if relay is None:
            raise OSError("the relay is no peer of this node")
        if not self._company.trusts(relay):
            raise OSError(f"{relay} is no relay of this network")
        try:
            check_way(peer, relay, around.via)
            await self._session_with(relay)
            check_way(peer, relay, around.via)
            return await self._connect(peer, relay)
        except CircuitRefused as refused:
            self.counters[f"refused-{refused.reason}"] += 1
            if not self._is_ready(relay):
                self._waiting.failed(relay, peer, endpoint)
            raise OSError(f"relay {relay}: {refused.reason}") from None

    async def _session_with(self, relay: str) -> None:
        if self._shuns(relay):
            raise CircuitRefused(Reason.SILENT)
        if relay in self._services.peers():
            return
        self._wake(relay)
        with suppress(TimeoutError):
            async with asyncio.timeout(SESSION_SECONDS):
                await self._waiting.news(relay)
        if relay not in self._services.peers():
            raise CircuitRefused(Reason.SILENT)

    def _shuns(self, relay: str) -> bool:
        return self._shunned.get(relay, 0.0) > clock.monotonic()

    async def _connect(self, peer: str, relay: str) -> Adopted:
        around = self._around
        channel = around.propose(relay)
        wanted = {"to": around.fingerprint(peer), "channel": channel}
        try:
            made = read_made(judge(await self._services.ask(relay, "connect", wanted, within=CONNECT_SECONDS)))
        except PeerProtocolError:
            raise CircuitRefused(Reason.SILENT) from None
        return self._hold(Held(relay, made.circuit, channel, peer, clock.monotonic(), settled=0.0), made.relays)

    # ---- being called ----

    def incoming(self, relay: str, content: Mapping[str, Any]) -> Answer:
        """A relay brings a caller. Raises CircuitRefused."""
        offer = read_incoming(content)
        around = self._around
        around.check_proposed(relay, offer.channel)
        if relay not in self._company.at:
            raise CircuitRefused(Reason.NOT_ALLOWED)
        if not self._company.welcomes(offer.caller):
            raise CircuitRefused(Reason.UNKNOWN_CALLER)
        caller = around.name(offer.caller) or offer.caller
        check_way(caller, relay, around.via)
        if self._crowded() or sum(1 for held in self._held.values() if held.relay == relay) >= MOST_INCOMING:
            raise CircuitRefused(Reason.BUSY)
        held = Held(relay, offer.circuit, offer.channel, caller, clock.monotonic(), settled=ANSWER_SECONDS)
        self._take(self._hold(held, offer.relays))
        return Answer({})

    # ---- the circuits that there are ----

    def _hold(self, held: Held, relays: int) -> Adopted:
        """Join the circuit's channel to a link. Raises CircuitRefused."""
        around, key = self._around, (held.relay, held.number)
        if key in self._held:
            raise CircuitRefused(Reason.MALFORMED)
        relays = max(relays, check_way(held.peer, held.relay, around.via))
        end, link = channel_pair()
        try:
            around.channels.open_channel(held.relay, held.channel, end, Wishes(carrier=True, ended=partial(self._ended, key)))
        except HostError:
            end.close()
            link.close()
            raise CircuitRefused(Reason.CHANNEL_TAKEN) from None
        self._held[key] = held
        self.counters["circuits"] += 1
        self._watch(held.relay)
        here = Endpoint(RELAY, "", 0, around.identity)
        there = Endpoint(RELAY, "", 0, around.fingerprint(held.relay))
        return Adopted(link, here, there, listener=False, driver_options={"datagram": MESSAGE_BYTES, RELAYS: relays})

    def closed_by(self, relay: str, number: str, why: End) -> bool:
        """The relay says that a circuit is over. False: there is none of that number."""
        return self._let_go((relay, number), why)

    def _ended(self, key: tuple[str, str]) -> None:
        """The link was closed here."""
        held = self._held.pop(key, None)
        if held is None:
            return
        self.counters[f"ended-{End.CLOSED}"] += 1
        try:
            self._services.send(held.relay, "close", {"circuit": held.number, "because": str(End.CLOSED)})
        except PeerProtocolError:  # it asks, sooner or later
            self.counters["unsaid"] += 1

    def _let_go(self, key: tuple[str, str], why: End) -> bool:
        """Close a circuit's link: its worker reads the end of file."""
        held = self._held.pop(key, None)
        if held is None:
            return False
        self.counters[f"ended-{why}"] += 1
        self._around.channels.close_channel(held.relay, held.channel)
        return True

    def _let_go_all(self, relay: str, why: End) -> int:
        keys = [key for key in self._held if key[0] == relay]
        return sum(self._let_go(key, why) for key in keys)

    def close(self) -> None:
        """The node stops."""
        for key in list(self._held):
            self._let_go(key, End.SHUTDOWN)

    def report(self, now: float) -> dict[str, Any]:
        """The circuits of this node and the relays that carry them or could, for the status."""
        trips = self.choice.known()
        relays = dict.fromkeys([*self._company.at, *trips, *(held.relay for held in self._held.values())])
        return {
            "circuits": [
                {"relay": held.relay, "peer": held.peer, "age_s": round(now - held.since, 3)} for held in self._held.values()
            ],
            "relays": [
                {
                    "relay": relay,
                    "rtt_ms": round(trips[relay] * 1000, 3) if relay in trips else None,
                    "reserved": relay in self._reserved,
                    "silent": self._shuns(relay),
                }
                for relay in relays
            ],
        }

    # ---- relays that come, go, and say nothing ----

    def connected(self, peer: str) -> None:
        """A peer has a session; it may be a relay."""
        self._shunned.pop(peer, None)
        self._waiting.there(peer)
        if peer in self._company.at:
            self._watch(peer)

    def renewed(self, peer: str) -> None:
        """A peer has another session. A relay that was started anew has forgotten circuits and reservations: ask it now."""
        if (sooner := self._watched.get(peer)) is not None:
            sooner.set()

    def gone(self, peer: str) -> None:
        """The last session with a peer ended."""
        self._reserved.pop(peer, None)
        if self._let_go_all(peer, End.GONE):
            log.info("a relay is gone", relay=peer)

    @property
    def reserved(self) -> tuple[str, ...]:
        """Fingerprints of the relays over which this node can be called now."""
        return tuple(fingerprint for relay in self._company.at if (fingerprint := self._reserved.get(relay)) is not None)

    async def _pick(self) -> None:
        """In a network of members: look again and again which relays suit best."""
        while True:
            for relay in self._company.pick(self.choice, self._is_ready, clock.monotonic()):
                self._wake(relay)
            for relay in self._company.at:
                if relay in self._services.peers():
                    self._watch(relay, hurry=False)
            await self._services.sleep(PICK_SECONDS * (1 + self._services.jitter()))

    def _is_ready(self, relay: str) -> bool:
        return relay in self._services.peers() and not self._shuns(relay)

    def _watch(self, relay: str, *, hurry: bool = True) -> None:
        sooner = self._watched.get(relay)
        if sooner is None:
            sooner = self._watched[relay] = asyncio.Event()
            self._services.spawn(self._follow(relay, sooner), f"watch over relay {relay}")
        if hurry:
            sooner.set()

    async def _follow(self, relay: str, sooner: asyncio.Event) -> None:
        """Ask a relay again and again how it is, as long as it carries a link or is to bring callers."""
        try:
            while relay in self._services.peers():
                sooner.clear()
                await self._ask(relay)
                ours = [held for held in self._held.values() if held.relay == relay]
                if not ours and relay not in self._company.at and not self._shuns(relay):
                    return
                carries = any(self._around.via(held.peer) == relay for held in ours)  # others are in reserve
                with suppress(TimeoutError):
                    async with asyncio.timeout(WATCH_SECONDS if carries else IDLE_SECONDS):
                        await sooner.wait()
        finally:
            del self._watched[relay]

    async def _ask(self, relay: str) -> None:
        """One question, which also finds out what the two sides disagree on."""
        asked, direct = clock.monotonic(), self._around.via(relay) is None
        ours = [held for held in self._held.values() if held.relay == relay]
        told = [held.number for held in ours]
        try:
            load = read_load(judge(await self._services.ask(relay, "measure", {"circuits": told}, within=SILENT_SECONDS)))
            if relay in self._company.at:
                await self._reserve(relay, load)
        except PeerProtocolError:
            # If something came, its answers are lost or late, and what it carries may not be. If its session ended since another
            # relay failed that leads to it, that one is to blame.
            if self._around.heard(relay) < asked and (direct or relay in self._services.peers()):
                self._silent(relay)
            return
        except CircuitRefused as refused:
            self.counters[f"refused-{refused.reason}"] += 1
            self._company.refused(relay, clock.monotonic())
            if once_per(SAID_EVERY, f"relay {relay} {refused.reason}"):
                log.warning("a relay refuses this node", relay=relay, reason=str(refused.reason))
            return
        if self._shunned.pop(relay, None) is not None:
            self._waiting.there(relay)
        self.choice.measured(relay, clock.monotonic() - asked, load.used)
        for held in ours:
            if held.number not in load.circuits and asked - held.since >= held.settled:
                self._let_go((relay, held.number), End.FORGOTTEN)

    async def _reserve(self, relay: str, load: Load) -> None:
        """See that the relay brings callers. Raises as `_ask` expects."""
        if not load.reserved:
            self._reserved.pop(relay, None)
            judge(await self._services.ask(relay, "reserve", within=SILENT_SECONDS))
        self._reserved[relay] = self._around.fingerprint(relay)

    def _silent(self, relay: str) -> None:
        if not self._shuns(relay):
            self._shunned[relay] = clock.monotonic() + SHUN_SECONDS
        self._reserved.pop(relay, None)
        self.choice.lost(relay)
        if self._let_go_all(relay, End.SILENT):
            log.warning("a relay does not answer; its links are closed", relay=relay)
