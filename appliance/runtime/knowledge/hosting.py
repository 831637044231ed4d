"""Drives one machine of shared knowledge: it is told of sessions, messages and time, and what it wants is done.

A question to a member without a session makes one first. Everything happens on the event loop; each verb of a machine takes well
under a millisecond.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from appliance.api.peer_protocol import (
    NOTHING,
    Answer,
    Limits,
    NotConnected,
    PeerProtocolError,
    PeerProtocolKind,
    PeerProtocolServices,
    Refused,
    TimedOut,
)
from appliance.knowledge.effects import Ask, Deed
from appliance.knowledge.machine import Machine
from appliance.knowledge.scores.breakers import Breakers
from appliance.members.effects import Hold, Release
from appliance.members.network import digest_of_text, identity_text
from appliance.members.row import Digest
from appliance.runtime.members.mesh import Mesh
from appliance.runtime.node.strangers import is_stranger

SESSION_SECONDS: Final = 8.0
"""How long a session with a member is tried for when something is to be asked."""
KEPT_SECONDS: Final = 15.0
"""How long it is kept after that: more may be to ask."""
USUAL: Final = Limits()
MOST_UNDER_WAY: Final = 256
"""Questions of one machine at a time; what comes beyond has no answer."""
ANSWERED, UNANSWERED = "answered", "unanswered"
OF_ANY_FAMILY: Final = {ANSWERED: 0.5, UNANSWERED: -1.0}
"""What is seen here of members that are asked, and the points for it."""


@dataclass(slots=True)
class Judged:
    """Where deeds of members go, and what is thought of members by them."""

    listeners: list[Callable[[str, Deed], None]] = field(default_factory=list)
    """Told the family and the deed."""
    breakers: Breakers = field(default_factory=Breakers)
    """Who is not asked for a while, since it did not answer."""
    blocked: Container[Digest] = frozenset()
    """With whom this node has nothing to do."""
    doubts: Callable[[Digest], bool] = lambda _: False
    """Is a member doubtful by all that was seen of it?"""
    standings: Callable[[], Mapping[str, int]] = dict
    """How many members are good, usual, doubtful, blocked."""

    def tell(self, family: str, deed: Deed) -> None:
        """Of one."""
        for listener in self.listeners:
            listener(family, deed)


class Hosted:
    """One machine in one node. `after` is called when a verb of the machine has been done and what it wanted is on its way."""

    def __init__(
        self,
        name: str,
        machine: Machine,
        mesh: Mesh,
        judged: Judged,
        limits: Limits = USUAL,
        after: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.counters: Counter[str] = Counter()
        self.kind = PeerProtocolKind(name, None, self._open, limits)
        self._machine = machine
        self._mesh = mesh
        self._judged = judged
        self._after = after
        self._services: PeerProtocolServices | None = None
        self._names: dict[str, Digest] = {}
        """Peers with a session, by name."""
        self._waiting: dict[Digest, list[asyncio.Future[bool]]] = {}
        """Questions that wait for a session."""
        self._held: set[Digest] = set()
        """With whom the machine wants a session."""
        self._under_way = 0
        self._timer: asyncio.Task[None] | None = None
        self._rings_at = 0.0
        self._ended = False

    def do(self, verb: Callable[[float, float], Any]) -> Any:
        """Have a verb of the machine done, with the two times, and what it then wants. For what programs of this host ask."""
        done = verb(self._now(), self._wall())
        self._act()
        return done

    def close(self) -> None:
        """Nothing is done any more, and nobody is held."""
        self._ended = True
        for member in self._held:
            self._mesh.wanted.release(identity_text(member), self.name)
        self._held.clear()
        if self._timer is not None:
            self._timer.cancel()

    # ---- the family (api.peer_protocol.PeerProtocol) ----

    def _open(self, _settings: object, services: PeerProtocolServices) -> Hosted:
        self._services = services
        self._act()
        return self

    def on_connected(self, peer: str) -> None:
        """There is a session."""
        entry = self._mesh.parts.peers.table.get(peer)
        if entry is None or is_stranger(peer):
            return
        member = self._names[peer] = digest_of_text(entry.identity)
        self._judged.breakers.met(member, self._now())
        for waiting in self._waiting.pop(member, ()):
            if not waiting.done():
                waiting.set_result(True)
        self._machine.connected(member, self._now())
        self._act()

    def on_gone(self, peer: str) -> None:
        """There is none any more."""
        member = self._names.pop(peer, None)
        if member is not None:
            self._machine.gone(member, self._now())
            self._act()

    def on_message(self, peer: str, kind: str, _content: Mapping[str, Any], body: bytes) -> None:
        """All that machines say is bytes."""
        member = self._names.get(peer)
        if member is not None:
            self._machine.take(member, kind, body, self._now(), self._wall())
            self._act()

    async def on_request(self, peer: str, kind: str, _content: Mapping[str, Any], body: bytes) -> Answer | None:
        """Answered at once."""
        member = self._names.get(peer)
        if member is None:
            return None
        answer = self._machine.answer(member, kind, body, self._now(), self._wall())
        self._act()
        return None if answer is None else Answer(NOTHING, answer)

    # ---- what the machine wants ----

    def _act(self) -> None:
        if self._ended:
            return
        machine = self._machine
        said, machine.said = machine.said, []
        for member, kind, body in said:
            self._say(member, kind, body)
        wishes, machine.wishes = machine.wishes, []
        for wish in wishes:
            self._grant(wish)
        deeds, machine.deeds = machine.deeds, []
        for deed in deeds:
            self._judged.tell(self.name, deed)
        asked, machine.asked = machine.asked, []
        for ask in asked:
            self._begin(ask)
        self._after()
        self._set_timer()

    def _grant(self, wish: Hold | Release) -> None:
        identity = identity_text(wish.member)
        if isinstance(wish, Hold):
            self._held.add(wish.member)
            self._mesh.wanted.hold(identity, self.name)
        else:
            self._held.discard(wish.member)
            self._mesh.wanted.release(identity, self.name)

    def _say(self, member: Digest, kind: str, body: bytes) -> None:
        peer = self._mesh.peer_of(identity_text(member))
        if self._services is None or peer is None:
            return
        try:
            self._services.send(peer, kind, NOTHING, body)
        except PeerProtocolError:
            self.counters["not-sent"] += 1

    def _begin(self, ask: Ask) -> None:
        services, hindrance = self._services, self._hindrance(ask)
        if services is None or hindrance:
            self.counters[hindrance] += 1
            asyncio.get_running_loop().call_soon(self._answered, ask.number, None)
            return
        self._under_way += 1
        services.spawn(self._ask(services, ask), f"ask a member about {self.name}")

    def _hindrance(self, ask: Ask) -> str:
        """Why it is not asked; "" if it is."""
        if self._services is None or self._under_way >= MOST_UNDER_WAY:
            return "not-asked"
        if ask.peer in self._judged.blocked:
            return "not-asked-of-a-blocked-one"
        return "" if self._judged.breakers.allows(ask.peer, self._now()) else "not-asked-of-one-that-fails"

    async def _ask(self, services: PeerProtocolServices, ask: Ask) -> None:
        body = None
        try:
            identity = identity_text(ask.peer)
            self._mesh.wanted.call(identity, f"{self.name} asks", SESSION_SECONDS + KEPT_SECONDS)
            if await self._has_session(ask.peer) and (peer := self._mesh.peer_of(identity)) is not None:
                body = (await services.ask(peer, ask.kind, NOTHING, ask.body, within=ask.within)).body
                self._heard(ask.peer)
            else:
                self._judged.breakers.failed(ask.peer, self._now())
        except PeerProtocolError as error:
            self._failed(ask.peer, error)
        finally:
            self._under_way -= 1
        self._answered(ask.number, body)

    def _heard(self, member: Digest) -> None:
        """It answered, if only that it has no answer."""
        self._judged.breakers.answered(member)
        self._judged.tell(self.name, Deed(member, ANSWERED, OF_ANY_FAMILY[ANSWERED]))

    def _failed(self, member: Digest, error: PeerProtocolError) -> None:
        """There is no answer. One that is away is not asked for a while; it speaks against one that is there."""
        self.counters[f"unanswered-{type(error).__name__.lower()}"] += 1
        match error:
            case Refused():
                self._heard(member)
            case NotConnected() | TimedOut():
                self._judged.breakers.failed(member, self._now())
        if isinstance(error, TimedOut):
            self._judged.tell(self.name, Deed(member, UNANSWERED, OF_ANY_FAMILY[UNANSWERED]))

    async def _has_session(self, member: Digest) -> bool:
        """Wait for one, for a while."""
        if member in self._names.values():
            return True
        there: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(member, []).append(there)
        limit = self._mesh.tasks.spawn(self._give_up(there), "wait for a session")
        try:
            return await there
        finally:
            limit.cancel()
            waiting = self._waiting.get(member, [])
            if there in waiting:
                waiting.remove(there)
                if not waiting:
                    del self._waiting[member]

    async def _give_up(self, there: asyncio.Future[bool]) -> None:
        await self._mesh.parts.sleep(SESSION_SECONDS)
        if not there.done():
            there.set_result(False)

    def _answered(self, number: int, body: bytes | None) -> None:
        self._machine.answered(number, body, self._now(), self._wall())
        self._act()

    # ---- time ----

    def _now(self) -> float:
        return self._mesh.parts.monotonic()

    def _wall(self) -> float:
        return self._mesh.parts.wall()

    def _set_timer(self) -> None:
        """Be there when the machine wants to be called: one that rings too early sets itself anew."""
        due = self._machine.next_due()
        if self._timer is not None and not self._timer.done():
            if self._rings_at <= due:
                return
            self._timer.cancel()
        self._rings_at = due
        self._timer = self._mesh.tasks.spawn(self._ring(due - self._now()), f"timer of {self.name}")

    async def _ring(self, seconds: float) -> None:
        await self._mesh.parts.sleep(max(0.0, seconds))
        self._timer = None
        if self._machine.next_due() <= self._now():
            self._machine.due(self._now(), self._wall())
        self._act()
