"""Scores and blocks of a running node: what it saw of members is written into the book (`appliance.knowledge.scores`), and
whom the book blocks has no session.

    deeds (`hosting.Judged`), sessions ─▶ Book ─▶ blocks ─▶ the node: sessions end, handshakes fail (`protocol.membership`)
                                            │         └──▶ events, the log
                                            ▼
                                  mesh-LABEL/scores

A blocked member stays a peer, so that nobody takes its name or its prefixes; what goes to it goes nowhere. Statements and rows
about it count as before: who is a member, a block does not decide.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from math import inf
from typing import TYPE_CHECKING, Any, Final

from appliance.errors import ApplianceError
from appliance.foundation import entropy
from appliance.foundation.logging import get_logger
from appliance.knowledge.scores.blocks import MOST, Block
from appliance.knowledge.scores.book import HeldOff, Surroundings
from appliance.knowledge.scores.choosing import Candidate, order
from appliance.knowledge.scores.document import MOST_TEXT
from appliance.knowledge.scores.history import BLOCKED_AT, Standing
from appliance.members.network import digest_of_text, identity_text
from appliance.protocol.admission import TokenBucket
from appliance.protocol.session import SessionState
from appliance.runtime.knowledge.hosting import OF_ANY_FAMILY
from appliance.runtime.knowledge.scores_file import KeptBook
from appliance.runtime.knowledge.witness import Witness
from appliance.runtime.peers.table import Origin

if TYPE_CHECKING:
    import asyncio

    from appliance.api.peer_protocol import PeerProtocolKind
    from appliance.knowledge.effects import Deed
    from appliance.members.row import Digest
    from appliance.runtime.knowledge.around import Around

log = get_logger("scores")

NAME: Final = "scores"
LOOK_SECONDS: Final = 600.0
"""Between two looks at who has a session; each time it speaks for a member."""
HELD: Final = "held-a-session"
HELD_POINTS: Final = 3.0
"""For a session that was there all that time: a member that does nothing but be there is good after two hours."""
JUDGE_SECONDS: Final = 1.0
"""Between two looks whether a member that is bad enough is to be blocked."""
JUDGED_A_SECOND: Final = 10.0
"""Members; each takes 10 ms where a thousand have a session."""
COUNT_SECONDS: Final = 10.0
"""For which a count of standings is good: it takes 10 ms where thousands are known."""
MOST_NAMED: Final = 16
"""Blocks that the status tells of."""
NOT_REACHED: Final = "not-reached"
NOT_REACHED_POINTS: Final = -2.0
"""For a member that is called, and could not be reached since the last look."""
BLOCKED, UNBLOCKED = "peer-blocked", "peer-unblocked"


class CannotBlock(ApplianceError):
    """That block cannot be made, or there is none to take back."""


class NoSuchPeer(ApplianceError):
    """Nobody is called so here."""


class Scores:
    """Those of one node (`part.Part`)."""

    def __init__(self, around: Around) -> None:
        self._around = around
        self._mesh = around.mesh
        self._kept = KeptBook(self._mesh.parts.folder.path, self._mesh.parts.monotonic, self._mesh.parts.wall)
        self.book = self._kept.read()
        self._witness: Witness | None = None
        self._judging = TokenBucket(JUDGED_A_SECOND, JUDGED_A_SECOND, self.now())
        self._judge_at: dict[Digest, float] = {}
        """Who was judged, and is not judged again before when."""
        self._counted: tuple[float, Mapping[str, int]] | None = None
        self._timer: asyncio.Task[None] | None = None
        self._rings_at = inf
        self._look_at = self.now() + LOOK_SECONDS
        around.gossip.machine.avoided = around.judged.blocked = self.book.blocks
        around.judged.standings = self.standings
        around.judged.doubts = self.doubts
        self._mesh.order, self._mesh.last_choice = self.order, self.last_choice
        for member in self.book.blocks.all:  # before the first of them can call
            self._mesh.parts.driver.node.block(identity_text(member), self.now())

    # ---- the part ----

    def kinds(self) -> Iterator[PeerProtocolKind]:
        """None: what it knows it tells nobody."""
        yield from ()

    async def start(self) -> None:
        """Hear of deeds."""
        self._around.judged.listeners.append(self._hear)
        self._witness = Witness(self._around, self._take)
        self._act()

    async def close(self) -> None:
        """Write what is not written yet."""
        if self._witness is not None:
            self._witness.close()
        if self._timer is not None:
            self._timer.cancel()
        await self._kept.close()

    @property
    def problem(self) -> str:
        """What is wrong."""
        held_off = [why for why in self.book.held_off.values() if why in {HeldOff.SHARE, HeldOff.SUSPECT}]
        if held_off:
            return (
                f"{len(held_off)} members look bad and are not blocked, since many do at once: this node may be what is not well"
            )
        return self._kept.problem

    def status(self) -> Mapping[str, Any]:
        """For the status."""
        blocks = self.book.blocks
        return {
            "members": len(self.book.histories),
            "blocked": len(blocks),
            "blocked_by_itself": blocks.automatic,
            "peers": [
                {"name": self.name_of(identity_text(member)), "reason": block.reason, "by": block.by or None}
                for member, block in list(blocks.all.items())[:MOST_NAMED]
            ],
            "held_off": len(self.book.held_off),
            "counters": dict(self.book.counters),
        }

    def standings(self) -> Mapping[str, int]:
        """How many members there are of each standing, of those of whom something is known. Looked at now and then only."""
        now = self.now()
        if self._counted is None or now >= self._counted[0] + COUNT_SECONDS:
            blocked, book = self.book.blocks.all, self.book
            found = Counter(
                "blocked" if each in blocked else str(book.standing(each, now)) for each in {*book.histories, *blocked}
            )
            self._counted = now, {name: found[name] for name in (*map(str, Standing), "blocked")}
        return self._counted[1]

    def order(self, identities: Iterable[str]) -> list[str]:
        """These members as `Mesh.order` has them: the load is shared, the good ones have more of it, nobody asks blocked ones."""
        now, rows = self.now(), self._around.gossip.rows()
        members = [member for member in map(digest_of_text, identities) if member not in self.book.blocks]
        found = [
            Candidate(
                member,
                self.book.value(member, now),
                0 if (row := rows.get(member)) is None else row.load,
                last=self._is_last(member, now),
            )
            for member in members
        ]
        return [identity_text(member) for member in order(found, entropy.jitter)]

    def doubts(self, member: Digest) -> bool:
        """Is it doubtful?"""
        return self.book.standing(member, self.now()) is Standing.DOUBTFUL

    def last_choice(self, identity: str) -> bool:
        """As `Mesh.last_choice` has it: it is blocked, doubtful, or did not answer of late."""
        member = digest_of_text(identity)
        return member in self.book.blocks or self._is_last(member, self.now())

    def _is_last(self, member: Digest, now: float) -> bool:
        return self._around.judged.breakers.is_open(member, now) or self.doubts(member)

    # ---- blocks ----

    def blocks(self) -> Mapping[str, Block]:
        """By identity."""
        return {identity_text(member): block for member, block in self.book.blocks.all.items()}

    async def block(self, name: str, by: str, reason: str, seconds: float | None) -> str:
        """Block whoever is called so, for so long or until `unblock`. On the disk when it returns, as far as the disk takes it
        (`problem`). Returns the identity. Raises NoSuchPeer, CannotBlock."""
        identity, now = self.find(name), self.now()
        member = digest_of_text(identity)
        block = Block(reason, by, now, inf if seconds is None else now + seconds)
        gone = self.book.blocks.put(member, block)
        if gone is None:
            raise CannotBlock(f"there are {MOST} blocks already", hint="take some back: appliance peers unblock NAME")
        for each, before in gone:
            self._lift(each, before)
        self._enforce(member, block)
        await self._kept.write(self.book)
        return identity

    def is_alone(self) -> bool:
        """Has this node a session with nobody, blocked ones left out?"""
        return not any(member not in self.book.blocks for member in self._connected())

    async def unblock(self, name: str) -> str:
        """Take a block back. Returns the identity. Raises NoSuchPeer, CannotBlock."""
        identity = self.find(name)
        block = self.book.unblock(digest_of_text(identity), self.now())
        if block is None:
            raise CannotBlock(f"{name} is not blocked", hint="`appliance peers scores` shows who is")
        self._lift(digest_of_text(identity), block)
        await self._kept.write(self.book)
        return identity

    def find(self, name: str) -> str:
        """The identity of who is called so: by a peer's or member's name, with the network's label or without, or an identity.
        Raises NoSuchPeer."""
        short = name.rstrip(".").removesuffix(f".{self._mesh.settings.label}")
        entry = self._mesh.parts.peers.table.get(short)
        if entry is not None:
            return entry.identity
        for identity, certificate in self._mesh.members().items():
            if short in (certificate.name, identity) and identity != self._mesh.own:
                return identity
        known = name in self.blocks() or self._mesh.parts.peers.table.of_identity(name) is not None
        if known:
            return name
        raise NoSuchPeer(f"no other node is called {name[:80]!r} here", hint="`appliance peers` shows who there is")

    def name_of(self, identity: str) -> str:
        """What it is called here."""
        entry = self._mesh.parts.peers.table.of_identity(identity)
        certificate = self._mesh.members().get(identity)
        return entry.name if entry is not None else certificate.name if certificate is not None else identity

    def _enforce(self, member: Digest, block: Block) -> None:
        identity = identity_text(member)
        self._around.gossip.avoid(member)
        self._mesh.parts.driver.node.block(identity, self.now())
        self._mesh.parts.driver.settle()
        left = None if block.until == inf else round(block.until - self.now())
        told = {"peer": self.name_of(identity), "reason": block.reason, "by": block.by, "seconds": left}
        log.warning("a peer is blocked", **told)
        self._tell(BLOCKED, told)
        self._set_timer()

    def _lift(self, member: Digest, block: Block) -> None:
        identity = identity_text(member)
        self._mesh.parts.driver.node.unblock(identity, self.now())
        self._mesh.parts.driver.settle()
        told = {"peer": self.name_of(identity), "reason": block.reason, "by": block.by}
        log.info("a peer is blocked no more", **told)
        self._tell(UNBLOCKED, told)

    def _tell(self, event: str, fields: Mapping[str, Any]) -> None:
        for listener in self._around.gossip.listeners:
            listener(event, fields)

    # ---- deeds ----

    @property
    def _is_on(self) -> bool:
        mesh = self._mesh.settings
        return mesh.scores

    def _hear(self, family: str, deed: Deed) -> None:
        """Of a machine. What each calls its own is told apart by its family."""
        what = deed.what if deed.what in OF_ANY_FAMILY else f"{family}-{deed.what}"
        self._take(deed._replace(what=what[:MOST_TEXT]))

    def _take(self, deed: Deed, times: int = 1) -> None:
        member, now = deed.member, self.now()
        if not self._is_on or member == digest_of_text(self._mesh.own):
            return
        self.book.note(member, deed.what, deed.points, now, times)
        if deed.points < 0 and self.book.value(member, now) <= BLOCKED_AT and self._may_judge(member, now):
            block = self.book.judge(member, self._surroundings(), now)
            if block is not None:
                self._enforce(member, block)
                self._kept.soon(self.book)

    def _may_judge(self, member: Digest, now: float) -> bool:
        """Judging takes a look at all peers, and the bad ones decide how often there is a reason to."""
        if now < self._judge_at.get(member, now) or not self._judging.take(now):
            return False
        self._judge_at = {each: at for each, at in self._judge_at.items() if at > now} | {member: now + JUDGE_SECONDS}
        return True

    def _surroundings(self) -> Surroundings:
        table = self._mesh.parts.peers.table
        named = {digest_of_text(entry.identity) for entry in table if entry.origin is Origin.PROFILE}
        return Surroundings(len(self._mesh.members()) - 1, self._connected(), named)

    def _connected(self) -> frozenset[Digest]:
        table = self._mesh.parts.peers.table
        entries = [
            table.get(session.peer)
            for session in self._mesh.parts.driver.node.sessions.values()
            if session.state is SessionState.ACTIVE and session.proved
        ]
        return frozenset(digest_of_text(entry.identity) for entry in entries if entry is not None)

    def _unreached(self, now: float) -> list[Digest]:
        """Who is to have a session, and was called in vain all the time."""
        calling = (peer for peer in self._mesh.parts.driver.node.peers.values() if peer.proved and peer.settings.keepalive)
        failing = [peer for peer in calling if peer.outage_since is not None and peer.outage_since <= now - LOOK_SECONDS]
        members = (digest_of_text(peer.settings.identity) for peer in failing)
        return [member for member in members if member not in self.book.blocks]

    # ---- time ----

    def now(self) -> float:
        """Seconds on the book's clock."""
        return self._mesh.parts.monotonic()

    def _act(self) -> None:
        """Do what is due."""
        now = self.now()
        for member, block in self.book.due(now):
            self._lift(member, block)
            self._kept.soon(self.book)
        if self._look_at <= now:
            self._look_at = now + LOOK_SECONDS
            self._look(now)
        self._set_timer()

    def _look(self, now: float) -> None:
        """Who has a session, and what no longer counts."""
        if self._is_on:
            for member in sorted(self._connected()):
                self.book.note(member, HELD, HELD_POINTS, now)
            for member in self._unreached(now):
                self.book.note(member, NOT_REACHED, NOT_REACHED_POINTS, now)
        known = {digest_of_text(entry.identity) for entry in self._mesh.parts.peers.table}
        self.book.forget(known | {digest_of_text(identity) for identity in self._mesh.members()}, now)
        self._kept.soon(self.book)

    def _set_timer(self) -> None:
        due = min(self.book.blocks.next_due(), self._look_at)
        if self._timer is not None and not self._timer.done():
            if self._rings_at <= due:
                return
            self._timer.cancel()
        self._rings_at = due
        self._timer = self._mesh.tasks.spawn(self._ring(due - self.now()), "look after scores")

    async def _ring(self, seconds: float) -> None:
        await self._mesh.parts.sleep(max(0.0, seconds))
        self._timer = None
        self._act()
