"""The pure machine of a member (`members.machine`) in a running node: its sessions, messages, clock and files.

    families roster, liveness ─▶ Machine ─▶ messages · who is kept alive or called · where members are reached · what befell them

Everything happens on the event loop. A verb of the machine takes well under a millisecond; only a change of who is a member takes
some for a thousand, and these are gathered.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, Final

from appliance.api.peer_protocol import NOTHING, Answer, Limits, PeerProtocolError, PeerProtocolKind, PeerProtocolServices
from appliance.foundation import clock, entropy
from appliance.foundation.logging import get_logger
from appliance.members.calling import endpoints_of
from appliance.members.certified import Certified
from appliance.members.effects import Call, Happening, Hold, Release, Told
from appliance.members.machine import LIVENESS, ROSTER, Machine, Tally
from appliance.members.network import digest_of_text, identity_text
from appliance.members.own_row import Facts
from appliance.members.partition import State
from appliance.members.reconciling import Tally as Reconciled
from appliance.members.row import FUTURE_SECONDS, MOST_RELAYS, Digest, Reachable, Row, RowFault, Service, services_that_fit
from appliance.members.statement import Refusal
from appliance.members.trust import Taken
from appliance.planning.membership import overlay
from appliance.runtime.members.mesh import BOOTSTRAP
from appliance.runtime.members.row_file import KeptRows, read_rows
from appliance.runtime.node.strangers import is_stranger

if TYPE_CHECKING:
    from appliance.api.profile import Profile
    from appliance.api.values import Endpoint, Network
    from appliance.runtime.members.mesh import Mesh

log = get_logger("members")

LIMITS: Final = {
    ROSTER: Limits(messages=100.0, bytes=524_288.0),
    LIVENESS: Limits(messages=50.0, bytes=65_536.0),
}
"""Of rows that is 2,000 a second, of statements a hundred."""
LOOK_SECONDS: Final = 2.0
"""Between two looks at what this node's row should say."""
NEIGHBOURS: Final = "neighbours"
CALLED: Final = "called"
"""For what this one wants sessions."""
CALLED_SECONDS: Final = 10.0
"""How long a member is called that nobody holds."""
FAULTS: Final = ("malformed-message", "forged-claim", "forged-row", "foreign-row", "forged-statement", "foreign-statement")
"""What no member should pass on: all of them judge before they do."""
ENOUGH: Final = 3
"""Neighbours with whom a node needs its profile's bootstrap no more."""
REMEMBERED_AT_ONCE: Final = 50
"""Rows of the disk that are judged in one turn of the loop."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a node knows of where it is."""

    schemes: Callable[[], Sequence[str]] = lambda: ()
    """Transports by which members can be called."""
    endpoints: Callable[[], Sequence[Reachable]] = lambda: ()
    """Where this node can be called."""
    networks: Callable[[], Sequence[Network]] = lambda: ()
    """The networks that this host is in."""
    relays: Callable[[], Sequence[str]] = lambda: ()
    """Fingerprints of the relays over which this node can be called."""


class Gossip:
    """The roster and the neighbours of one mesh."""

    def __init__(self, mesh: Mesh, place: Place, profile: Profile) -> None:
        self.counters: Counter[str] = Counter()
        self.blamed: Callable[[Digest, Sequence[str]], None] | None = None
        """Told by whom something of `FAULTS` was said."""
        self.listeners: list[Callable[[str, Mapping[str, Any]], None]] = []
        """Told what befell whom: the name of an event and its fields."""
        self.offered: Callable[[], Sequence[Service]] = lambda: ()
        """What this node offers."""
        self.rows_changed: list[Callable[[], None]] = []
        """Called when members' rows are others than before."""
        self.untold_services = 0
        """Services for which this node's row has no room."""
        self._mesh = mesh
        self._place = place
        self._overlay = overlay(profile)
        self._known = _Known(mesh)
        self._services: dict[str, PeerProtocolServices] = {}
        self._names: dict[str, Digest] = {}
        """Peers with a session, by name."""
        self._from_rows: dict[Digest, tuple[Endpoint, ...]] = {}
        self._ended = False
        self._timer: asyncio.TimerHandle | None = None
        self._looking: asyncio.TimerHandle | None = None
        now = clock.monotonic()
        self.machine = Machine(
            digest_of_text(mesh.own),
            digest_of_text(mesh.trust.network.fingerprint),
            self._known,
            mesh.parts.identity.sign_ed25519,
            entropy.jitter,
            now,
            self._wall(),
        )
        self._look_at_clock()
        self._kept = KeptRows(mesh.parts.folder.path, lambda: [entry.encoded for entry in self.machine.roster if entry.is_row])
        mesh.changed.append(self._learn)
        mesh.spread.append(lambda _statement, _source: self._learn())

    # ---- life ----

    async def start(self) -> None:
        """Remember what was known, and say where this node is."""
        rows = read_rows(self._mesh.parts.folder.path)
        for at in range(0, len(rows), REMEMBERED_AT_ONCE):
            self.machine.remember(rows[at : at + REMEMBERED_AT_ONCE], clock.monotonic(), self._wall())
            self._act()
            await asyncio.sleep(0)
        self.machine.renew(clock.monotonic())
        self._look()

    def use(self, profile: Profile) -> None:
        """The profile is this from now on."""
        self._overlay = overlay(profile)
        for member in self.machine.roster.rows:
            self._reach(member)

    async def leave(self) -> None:
        """This node stops: tell the neighbours, while there are sessions."""
        if self._looking is not None:
            self._looking.cancel()
        self.machine.leave(self._wall(), clock.monotonic())
        self._act()
        await asyncio.sleep(0)  # what was said is on its way in the next turn

    async def close(self) -> None:
        """Keep what is known, and do nothing any more."""
        self._ended = True
        for handle in (self._timer, self._looking):
            if handle is not None:
                handle.cancel()
        self._services.clear()
        await self._kept.close()

    def kinds(self) -> Iterator[PeerProtocolKind]:
        """Its families."""
        for family, limits in LIMITS.items():
            yield PeerProtocolKind(family, None, self._opener(family), limits)

    def _opener(self, family: str) -> Callable[[object, PeerProtocolServices], _Family]:
        def opened(_settings: object, services: PeerProtocolServices) -> _Family:
            self._services[family] = services
            return _Family(self, family)

        return opened

    # ---- what comes ----

    def connected(self, peer: str) -> None:
        """A peer has a session; a member perhaps."""
        entry = self._mesh.parts.peers.table.get(peer)
        if entry is not None and not is_stranger(peer):
            member = self._names[peer] = digest_of_text(entry.identity)
            self.machine.connected(member, clock.monotonic())
            self._act()

    def gone(self, peer: str) -> None:
        """Its last session ended."""
        member = self._names.pop(peer, None)
        if member is not None:
            self.machine.gone(member, clock.monotonic())
            self._act()

    def take(self, peer: str, family: str, kind: str, body: bytes) -> None:
        """It says something."""
        member = self._names.get(peer)
        if member is not None:
            before = self._faults()
            self.machine.take(member, family, kind, body, clock.monotonic(), self._wall())
            if self.blamed is not None and (after := self._faults()) != before:
                self.blamed(member, [what for what, old, new in zip(FAULTS, before, after, strict=True) if new > old])
            self._act()

    def _faults(self) -> tuple[int, ...]:
        """How often what somebody said was one of `FAULTS`."""
        machine, rows, statements = self.machine, self.machine.roster.refused, self._mesh.trust.refused
        return (
            machine.counters[Tally.MALFORMED] + machine.reconciling.counters[Reconciled.MALFORMED],
            machine.counters[Tally.CLAIMS_FORGED],
            rows[RowFault.FORGED],
            rows[RowFault.FOREIGN],
            statements[Refusal.BAD_SIGNATURE],
            statements[Refusal.FOREIGN_NETWORK],
        )

    def avoid(self, member: Digest) -> None:
        """It came into what `machine.avoided` has."""
        self.machine.avoid(member, clock.monotonic())
        self._act()

    def look(self) -> None:
        """Where this node is may have changed."""
        self.machine.publish(self._facts(), clock.monotonic())
        self._act()

    def _facts(self) -> Facts:
        relays = tuple(map(digest_of_text, self._place.relays()[:MOST_RELAYS]))
        facts = Facts(endpoints=tuple(self._place.endpoints()), relays=relays)
        offered = tuple(self.offered())
        if not offered:
            return facts
        machine = self.machine
        told = services_that_fit(Row(machine.roster.network, machine.own, 0, 0, *facts._replace(services=offered)))
        self.untold_services = len(offered) - len(told)
        return facts._replace(services=told)

    def _look(self) -> None:
        self._looking = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)
        self._look_at_clock()
        self.look()
        if len(self.machine.neighbours.active) >= ENOUGH:
            self._spare_bootstrap()

    def _look_at_clock(self) -> None:
        """By one that is behind all that is known, what others wrote since is of the future."""
        self.machine.roster.future = inf if self._mesh.clock_is_wrong else FUTURE_SECONDS

    def _spare_bootstrap(self) -> None:
        """Those whom the profile names are members like all others once this node has found some: else all would hold them."""
        for entry in self._mesh.settings.bootstrap:
            self._mesh.wanted.release(entry.identity, BOOTSTRAP)

    def _learn(self) -> None:
        self.machine.learn(clock.monotonic())
        self._act()

    def _due(self) -> None:
        self._timer = None
        self.machine.due(clock.monotonic(), self._wall())
        self._act()

    def _wall(self) -> float:
        return float(self._mesh.now())

    # ---- what is done ----

    def _act(self) -> None:
        """Do what the machine wants, and come back when it says."""
        if self._ended:
            return  # statements that came to the disk meanwhile are looked at once more
        machine = self.machine
        said, machine.said = machine.said, []
        for family, (member, kind, body) in said:
            self._say(member, family, kind, body)
        wishes, machine.wishes = machine.wishes, []
        for wish in wishes:
            match wish:
                case Hold(member):
                    self._mesh.wanted.hold(identity_text(member), NEIGHBOURS)
                case Release(member):
                    self._mesh.wanted.release(identity_text(member), NEIGHBOURS)
                case Call(member):
                    self._mesh.wanted.call(identity_text(member), CALLED, CALLED_SECONDS)
        for member in dict.fromkeys(machine.changed):
            self._reach(member)
        if machine.changed:
            self._kept.soon()
            for listener in self.rows_changed:
                listener()
        machine.changed.clear()
        told, machine.told = machine.told, []
        for each in told:
            self._tell(each)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(machine.next_due(), self._due)

    def _say(self, member: Digest, family: str, kind: str, body: bytes) -> None:
        services, peer = self._services.get(family), self._mesh.peer_of(identity_text(member))
        if services is None or peer is None:
            return
        try:
            services.send(peer, kind, NOTHING, body)
        except PeerProtocolError:
            self.counters["not-sent"] += 1

    def _reach(self, member: Digest) -> None:
        """Its row says where it can be called; what is known from elsewhere goes on to count, and goes first."""
        identity, row = identity_text(member), self.machine.roster.rows.get(member)
        found = () if row is None else self.endpoints_of(row)
        before = self._from_rows.pop(member, ())
        others = [each for each in self._mesh.reached_at(identity).endpoints if each not in before]
        new = tuple(each for each in found if each not in others)
        if new:
            self._from_rows[member] = new
        self._mesh.reach(identity, (*others, *new))

    def _tell(self, told: Told) -> None:
        name = self._name(told.member) if told.member else ""
        fields: dict[str, Any] = {"member": name} if name else {}
        if told.what is Happening.PARTED:
            fields |= {"lost": told.numbers[0], "left": told.numbers[1]}
            log.warning("a large part of the network is lost at once; this part goes on by itself", **fields)
        elif told.what is Happening.HEALED:
            fields |= {"back": told.numbers[0], "missing": told.numbers[1]}
            log.warning("what was lost of the network is back", **fields)
        elif told.what is Happening.SUSPECTED:
            log.debug("a member is suspected", **fields)
        else:
            log.info(_SENTENCES[told.what], **fields)
        self.counters[told.what] += 1
        for listener in self.listeners:
            listener(told.what, fields)

    def _name(self, member: Digest) -> str:
        identity = identity_text(member)
        certificate = self._mesh.members().get(identity)
        return identity if certificate is None else certificate.name

    # ---- what others ask ----

    def rows(self) -> Mapping[Digest, Row]:
        """All rows that are here, this node's among them."""
        return self.machine.roster.rows

    def endpoints_of(self, row: Row) -> tuple[Endpoint, ...]:
        """Where the member of that row is called from here, most wanted first."""
        return endpoints_of(row, self._place.schemes(), self._place.networks(), self._overlay)

    def standing(self, identity: str) -> str:
        """What is known of a member: alive, suspected, dead, left or unknown."""
        return str(self.machine.standing(digest_of_text(identity)))

    def is_neighbour(self, identity: str) -> bool:
        """Is a session with it kept for the network's sake?"""
        return digest_of_text(identity) in self.machine.neighbours.active

    def standings(self) -> Mapping[str, int]:
        """How many other members there are, by what is known of them."""
        own = self.machine.own
        return Counter(str(self.machine.standing(member)) for member in self._known.keys(self._wall()) if member != own)

    @property
    def problem(self) -> str:
        """What is wrong with the network as this node sees it."""
        if self.machine.partition.state is State.WHOLE:
            return ""
        return f"the network came apart: {len(self.machine.partition.lost)} members are lost, {self.machine.alive} are left"

    def status(self) -> dict[str, Any]:
        """For the status."""
        machine = self.machine
        return {
            "rows": len(machine.roster.rows),
            "untold_services": self.untold_services,
            "neighbours": [self._name(member) for member in machine.neighbours.active],
            "standing": dict(self.standings()),
            "partition": str(machine.partition.state),
            "health": machine.swim.health,
            "refused": {str(reason): times for reason, times in machine.roster.refused.items()},
            "counters": dict(machine.counters + machine.reconciling.counters + self.counters),
        }


_SENTENCES: Final = {
    Happening.JOINED: "a member joined",
    Happening.LEFT: "a member left the network",
    Happening.DIED: "a member does not answer anybody",
    Happening.RETURNED: "a member is back",
}


class _Family:
    """One of its families, open (`api.peer_protocol.PeerProtocol`). Sessions are told by one of both."""

    def __init__(self, gossip: Gossip, family: str) -> None:
        self._gossip = gossip
        self._family = family

    def on_connected(self, peer: str) -> None:
        """There is a session."""
        if self._family == LIVENESS:
            self._gossip.connected(peer)

    def on_gone(self, peer: str) -> None:
        """There is none any more."""
        if self._family == LIVENESS:
            self._gossip.gone(peer)

    def on_message(self, peer: str, kind: str, _content: Mapping[str, Any], body: bytes) -> None:
        """All that members say is bytes."""
        self._gossip.take(peer, self._family, kind, body)

    async def on_request(self, _peer: str, _kind: str, _content: Mapping[str, Any], _body: bytes) -> Answer | None:
        """Nothing is asked."""
        return None


class _Known(Certified):
    """What the node trusts; what comes by the roster becomes peers when the machine looks at who is a member."""

    def __init__(self, mesh: Mesh) -> None:
        super().__init__(mesh.trust)
        self._mesh = mesh
        self._new = False

    def take(self, encoded: bytes, wall: float) -> Taken:
        taken = super().take(encoded, wall)
        if taken is not Taken.KNOWN:
            self._new = True
            self._mesh.taken(encoded, taken)
        return taken

    def keys(self, wall: float) -> Mapping[Digest, bytes]:
        if self._new:
            self._new = False
            self._mesh.apply()
            self._mesh.kept.soon()
        return super().keys(wall)


def networks_of(addresses: Sequence[str]) -> tuple[Network, ...]:
    """The networks around, as far as addresses tell without their prefix lengths: a /24 and a /64."""
    found = []
    for text in addresses:
        with suppress(ValueError):
            address = ipaddress.ip_address(text)
            found.append(ipaddress.ip_network((address, 24 if address.version == 4 else 64), strict=False))
    return tuple(dict.fromkeys(found))
