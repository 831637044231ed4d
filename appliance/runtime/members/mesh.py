"""A node's network of members while it runs: what it knows, who is a peer by that, and which families it speaks about it.

    statements ─▶ Trust (pure) ─▶ members ─▶ entries of the table of peers
        ▲                                      │
    files, members, the owner's commands       ▼ what goes beyond is cut off or refused, counted, and said

What members tell each other are families of control messages, as plugins' peer protocols are (`runtime.members.families` says how
to add one). A family gets the `Mesh` and works with what it has: `trust`, `take`, `reach`, `peers`, `driver`, `settings`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from appliance.api.monitoring import CertificateFigures
from appliance.errors import ApplianceError
from appliance.foundation import clock
from appliance.foundation.logging import get_logger, once_per
from appliance.foundation.tasks import Tasks
from appliance.members.certificate import Certificate
from appliance.members.lifetimes import lifetimes_of
from appliance.members.statement import Kind, StatementRefused, read_head
from appliance.members.trust import Taken
from appliance.planning.membership import overlay
from appliance.runtime.members.entries import Policy, Reach
from appliance.runtime.members.keeping import KeptStatements
from appliance.runtime.members.member_peers import MemberPeers
from appliance.runtime.members.wanted import WantedSessions

if TYPE_CHECKING:
    from appliance.api.profile import Profile
    from appliance.api.profile_mesh import Mesh as MeshSection
    from appliance.api.values import Endpoint
    from appliance.members.trust import Trust
    from appliance.protocol.identity import Identity
    from appliance.runtime.members.network_folder import NetworkFolder
    from appliance.runtime.node.driver import NodeDriver
    from appliance.runtime.peers.peers import Peers

log = get_logger("mesh")

APPLY_DELAY: Final = 0.5
"""Seconds between a new certificate and the new peer: a list of a thousand is judged some times only, 20 ms each."""
TAKEN_AT_ONCE: Final = 16
"""Statements of a long list that are verified before others have their turn: 6 ms."""
PUT_AT_ONCE: Final = 64
"""Members that become peers, or other peers, before others have their turn: 10 ms."""
BOOTSTRAP: Final = "bootstrap"
"""Who wants sessions with those whom the profile names."""
SAID_EVERY: Final = 600.0
"""Seconds between two log lines about the same member that is not taken."""

Spread = Callable[[bytes, str | None], None]
"""(statement, whom it came from): it is new here, so others should have it."""
Resolve = Callable[[str, int], Awaitable[list[str]]]


@dataclass(frozen=True, slots=True)
class MeshParts:
    """What a mesh needs of its node."""

    identity: Identity
    folder: NetworkFolder
    trust: Trust
    """What was in the folder, verified."""
    driver: NodeDriver
    peers: Peers
    resolve: Resolve
    """Addresses of a host's name. Raises OSError."""
    certificate_changed: Callable[[], None] = lambda: None
    """This node has another certificate, and what it brings to the host may be another."""
    wall: Callable[[], float] = clock.wall
    monotonic: Callable[[], float] = clock.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Mesh:
    """The mesh of one node. Made and used on the event loop."""

    def __init__(self, profile: Profile, parts: MeshParts) -> None:
        self.parts = parts
        self.trust = parts.trust
        self._lifetimes = lifetimes_of((each for each in parts.trust.statements() if isinstance(each, Certificate)), self.own)
        """Of what was here when the node began: nobody moves the time by what he sends."""
        self.settings: MeshSection = _section(profile)
        """Of the profile, with what the node's certificate has brought to it."""
        self.counters: Counter[str] = Counter()
        """What happened, by name."""
        self.taken_in = MemberPeers(parts.peers, self.own, Policy.of(profile, overlay(profile)), self.counters)
        """What the table of peers has of members."""
        self.spread: list[Spread] = []
        """Told of each statement that is new here. Families add themselves."""
        self.refused: list[Callable[[str, str], None]] = []
        """Told of each statement that is not taken: whom it came from, and why."""
        self.order: Callable[[Iterable[str]], list[str]] = list
        """Of members, by identity, any of whom will do: in which order to ask them. Some may be left out."""
        self.last_choice: Callable[[str], bool] = lambda _identity: False
        """Is a member one that is made use of only if nobody else will do?"""
        self.changed: list[Callable[[], None]] = []
        """Told when members came, changed or went, once the table of peers has them."""
        self.wanted = WantedSessions(lambda identity, alive: self.reach(identity, alive=alive))
        """With which members a session is kept alive; otherwise one is made when traffic wants it."""
        self._soon = False
        self._judged: Mapping[str, Certificate] | None = None
        self._coming: Iterator[None] = iter(())
        """Lets those be peers who are members and not peers yet, one after the other."""
        self._letting_in: asyncio.Task[None] | None = None
        self._own: Certificate | None = None
        self.tasks = Tasks()
        """What runs for as long as the mesh does."""
        self.kept = KeptStatements(
            parts.folder, lambda: [each.encoded for each in self.trust.statements()], self.take_in_pieces, self.now
        )

    def use(self, profile: Profile) -> None:
        """The profile is this from now on; its `mesh.network` is the same."""
        self.settings = _section(profile)
        self.taken_in.policy = Policy.of(profile, overlay(profile))
        self._judged = None
        self.apply()
        self.use_bootstrap()

    # ---- what is known ----

    def now(self) -> int:
        """Unix seconds: what certificates are judged by. A clock that says a time before the node's own began is not believed."""
        return self._lifetimes.time(int(self.parts.wall()))

    @property
    def name(self) -> str:
        """What this node is called in the network; "" while it has no certificate."""
        return "" if self._own is None else self._own.name

    def validity(self) -> CertificateFigures | None:
        """When this node's certificate begins and ends."""
        return None if self._own is None else CertificateFigures(self._own.not_before, self._own.not_after)

    @property
    def own(self) -> str:
        """This node's fingerprint."""
        return self.parts.identity.fingerprint

    def members(self) -> Mapping[str, Certificate]:
        """Who is a member now, by identity, this node included."""
        return self.trust.members(self.now())

    def member(self, peer: str) -> Certificate | None:
        """The certificate of the peer of that name, if it is a member's."""
        entry = self.parts.peers.table.get(peer)
        return None if entry is None else self.members().get(entry.identity)

    def peer_of(self, identity: str) -> str | None:
        """What the member with that identity is called in the table of peers."""
        entry = self.parts.peers.table.of_identity(identity)
        return None if entry is None else entry.name

    @property
    def problem(self) -> str:
        """Why this node is no member at the moment; "" if it is one."""
        label = self.settings.label
        if self.trust.revoked(self.own):
            return f"this node was removed from network {label}: its certificate counts no more"
        if self.own not in self.members():
            return f"this node has no certificate of network {label} that is valid now, {self._today} by this host's clock"
        return self.kept.problem

    @property
    def clock_is_wrong(self) -> bool:
        """Does this host's clock say a time before the certificate began that the node had when it did?"""
        return self._lifetimes.begin_after(int(self.parts.wall()))

    @property
    def clock_problem(self) -> str:
        """What is wrong with this host's clock; "" as far as can be seen."""
        if not self.clock_is_wrong:
            return ""
        return (
            f"this host's clock says {self._today}, before this node's certificate of network {self.settings.label} began: until "
            f"it is set (timedatectl), certificates are judged as of {clock.utc_text(self._lifetimes.common)[:10]}"
        )

    @property
    def _today(self) -> str:
        return clock.utc_text(self.parts.wall())[:10]

    # ---- statements ----

    def take(self, statement: bytes, source: str | None = None) -> Taken:
        """A statement came from the peer `source`, or from this host. What is new counts and is on its way to others when this
        returns, and is on the disk soon. Raises StatementRefused."""
        taken = self._judge(statement, source)
        if taken is not Taken.KNOWN:
            self.apply()
            self._pass_on(statement, taken, source)
            self.kept.soon()
        return taken

    def take_all(self, statements: Iterable[bytes], source: str | None = None) -> int:
        """The same for several, as far as they are good. Returns how many were new. Who came is a peer soon: of a thousand
        certificates that come in a row not each is worth judging all members anew."""
        new: list[tuple[bytes, Taken]] = []
        for statement in statements:
            with suppress(StatementRefused):  # the trust counts them
                taken = self._judge(statement, source)
                if taken is not Taken.KNOWN:
                    new.append((statement, taken))
        if any(taken is Taken.FRAUD or _ends_something(statement) for statement, taken in new):
            self.apply()  # whoever is no member any more is cut off before anything else
        elif new:
            self._apply_soon()
        for statement, taken in new:
            self._pass_on(statement, taken, source)
        if new:
            self.kept.soon()
        return len(new)

    def _judge(self, statement: bytes, source: str | None) -> Taken:
        """Raises StatementRefused."""
        try:
            return self.trust.take(statement, self.now())
        except StatementRefused as refused:
            if source is not None:
                for told in self.refused:
                    told(source, str(refused.reason))
            raise

    async def take_in_pieces(self, statements: Sequence[bytes]) -> int:
        """The same for as many as there are; others have their turns meanwhile."""
        new = 0
        for at in range(0, len(statements), TAKEN_AT_ONCE):
            new += self.take_all(statements[at : at + TAKEN_AT_ONCE])
            await asyncio.sleep(0)
        return new

    def taken(self, statement: bytes, taken: Taken) -> None:
        """Somebody who passes statements on by himself has put a new one into `trust`."""
        if taken is Taken.FRAUD or _ends_something(statement):
            self.apply()
        self.kept.soon()

    def removals(self) -> list[bytes]:
        """What ends somebody's membership, behind the certificates of issuers, without which not all of it can be judged: what a
        node has to know before it hears of anybody else."""
        return [each.encoded for each in self.trust.statements() if not isinstance(each, Certificate) or each.scope is not None]

    def _pass_on(self, statement: bytes, taken: Taken, source: str | None) -> None:
        """Something is new. What others should have of a fraud is the proof, and not the second statement."""
        self.counters[f"statement-{taken}"] += 1
        told = [each.encoded for each in self.trust.frauds()] if taken is Taken.FRAUD else [statement]
        if taken is Taken.FRAUD:
            self._tell_of_frauds()
        for spread in self.spread:
            for each in told:
                spread(each, source)

    def _tell_of_frauds(self) -> None:
        for fraud in self.trust.frauds():
            if not once_per(SAID_EVERY, f"fraud {fraud.issuer}"):
                continue
            by_owner = fraud.issuer == self.trust.network.fingerprint
            log.error(
                "a signer has signed two different statements with one serial: somebody else may have its key",
                signer=fraud.issuer,
                consequence="both count, since it is the owner" if by_owner else "what it signed counts no more",
                hint="`appliance network show`; what was good is signed anew, or vouched for: appliance network revoke",
            )

    # ---- members as peers ----

    def reach(self, identity: str, endpoints: Sequence[Endpoint] | None = None, *, alive: bool | None = None) -> None:
        """Where a member can be called (address literals, most wanted first). `alive` is for `wanted`. None: as before."""
        self.taken_in.reach(self.members().get(identity), identity, endpoints, alive)

    def reached_at(self, identity: str) -> Reach:
        """What `reach` was told last."""
        return self.taken_in.reached_at(identity)

    def apply(self) -> None:
        """Let the table of peers have exactly the members that there are now; none if this node is no member itself, since nobody
        would take it for one. Who is no member any more is out of it when this returns; of many who came some are in, and
        `applied` waits for the others."""
        there = self.members()
        if there is self._judged:
            return
        self._judged = there
        members = there if self.own in there else {}
        told = log.info if members else log.debug  # all of them go, and it is said once
        gone = self.taken_in.remove_others(members)
        for entry in gone:
            told("a member left", member=entry.name, removed=self.trust.revoked(entry.identity))
        self._look_at_own(members.get(self.own))
        self._coming = self.taken_in.put(members)
        finished = self._let_some_in()
        if finished or gone:
            self._tell_of_change()
        if not finished and (self._letting_in is None or self._letting_in.done()):
            self._letting_in = self.tasks.spawn(self._let_others_in(), "let members be peers")

    def let_in(self, identity: str) -> None:
        """As `apply`; and if this one is a member it is a peer when this returns, whoever else is on the way."""
        self.apply()
        certificate = self.members().get(identity)
        if certificate is not None and self.own in self.members():
            self.taken_in.put_one(certificate)

    async def applied(self) -> None:
        """Wait until all members that `apply` found are peers, as far as the table takes them."""
        if self._letting_in is not None:
            await asyncio.wait([self._letting_in])

    def _let_some_in(self) -> bool:
        """True: all are in."""
        return sum(1 for _ in islice(self._coming, PUT_AT_ONCE)) < PUT_AT_ONCE

    async def _let_others_in(self) -> None:
        while True:
            await asyncio.sleep(0)
            if self._let_some_in():
                break
        self._tell_of_change()

    def _tell_of_change(self) -> None:
        for changed in self.changed:
            changed()

    def _apply_soon(self) -> None:
        if not self._soon:
            self._soon = True
            self.tasks.spawn(self._apply_later(), "let new members be peers")

    async def _apply_later(self) -> None:
        await self.parts.sleep(APPLY_DELAY)
        self._soon = False
        self.apply()

    def use_bootstrap(self) -> None:
        """Those that the profile names are kept alive as soon as they are members."""
        for entry in self.settings.bootstrap:
            self.wanted.hold(entry.identity, BOOTSTRAP)

    def _look_at_own(self, certificate: Certificate | None) -> None:
        before, self._own = self._own, certificate
        if certificate is None:
            if before is not None:
                log.error("this node is no member any more", network=self.settings.label, reason=self.problem)
            return
        brought = [address.ip for address in self.settings.given] if before is None else before.addresses
        if brought and set(brought) != set(certificate.addresses):
            self.parts.certificate_changed()

    def status(self) -> dict[str, Any]:
        """For people and `appliance status`."""
        now = self.now()
        own = self._own
        return {
            "label": self.settings.label,
            "network": self.trust.network.fingerprint,
            "name": own.name if own is not None else None,
            "expires": clock.utc_text(own.not_after) if own is not None else None,
            "problem": self.problem,
            "members": len(self.members()),
            "set_aside": [
                {
                    "name": each.certificate.name,
                    "identity": each.certificate.identity,
                    "why": str(each.why),
                    "against": each.against,
                }
                for each in self.trust.set_aside(now)
            ],
            "frauds": [fraud.issuer for fraud in self.trust.frauds()],
            "not_taken": {identity: each._asdict() for identity, each in self.taken_in.refused.items()},
            "strangers": len(self.parts.driver.node.strangers),
            "refused": {str(reason): times for reason, times in self.trust.refused.items()},
            "counters": dict(self.counters),
        }


def _ends_something(statement: bytes) -> bool:
    return read_head(statement).kind is not Kind.CERTIFICATE


def _section(profile: Profile) -> MeshSection:
    if profile.mesh is None:
        raise ApplianceError("the profile has no section mesh")
    return profile.mesh
