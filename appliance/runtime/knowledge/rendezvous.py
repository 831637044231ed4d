"""Rendezvous in a running node: the machine, what is kept of it, what programs of this host ask, and whom discovery calls."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from appliance.api.peer_protocol import Limits
from appliance.errors import ApplianceError, ExitCode
from appliance.foundation import clock, entropy
from appliance.knowledge.rendezvous.cookies import SECRET_BYTES
from appliance.knowledge.rendezvous.finding import MOST_FOUND, Found
from appliance.knowledge.rendezvous.machine import Rendezvous
from appliance.knowledge.rendezvous.own import At, Kept, Where
from appliance.knowledge.rendezvous.registration import LEAST_SECONDS, MOST_SECONDS, Registration
from appliance.knowledge.rendezvous.who import ByCertificates
from appliance.members.network import digest_of_text, identity_text
from appliance.runtime.knowledge.hosting import Hosted
from appliance.runtime.knowledge.rendezvous_calling import Calling
from appliance.runtime.members.row_file import KeptRows, read_rows
from appliance.runtime.plugins.routes import BadArguments

if TYPE_CHECKING:
    from appliance.api.discovery import DiscoveryKind
    from appliance.api.peer_protocol import PeerProtocolKind
    from appliance.api.profile import Profile
    from appliance.api.profile_mesh import MeshRendezvous
    from appliance.members.row import Digest
    from appliance.runtime.knowledge.around import Around

NAME: Final = "rendezvous"
OWN_FILE: Final = "rendezvous"
"""In the network's folder: what this node has registered."""
PLACE_FILE: Final = "rendezvous-place"
"""What others have registered here."""
OWN_SECONDS: Final = 5.0
PLACE_SECONDS: Final = 300.0
"""Between two writes of each: 10 MB at most, and members register anew each hour."""
LIMITS: Final = Limits(messages=20.0, bytes=262_144.0)
REMEMBERED_AT_ONCE: Final = 50
"""Registrations of the disk that are judged in one turn of the loop: 6 ms."""
SETTLED_SECONDS: Final = 8.0
"""How long a registration waits for the places' answers. It goes on by itself."""
NO_PLACE: Final = "no member of the network is a meeting place"
GIVE_ROLE: Final = "sign one anew with the role: appliance network sign REQUEST --role rendezvous (docs/rendezvous.md)"


class NoMeetingPlace(ApplianceError):
    """Nobody in the network takes registrations, or nobody answers."""

    exit_code = ExitCode.RETRY
    retryable = True


class RendezvousPart:
    """The part `rendezvous` (`part.Part`)."""

    def __init__(self, around: Around, profile: Profile) -> None:
        self._around = around
        self.rendezvous = _section(profile)
        """What the profile says."""
        mesh = around.mesh
        self._own = digest_of_text(mesh.own)
        self._who = ByCertificates(mesh.trust)
        self.machine = Rendezvous(
            self._own,
            digest_of_text(mesh.trust.network.fingerprint),
            self._who,
            mesh.parts.identity.sign_ed25519,
            entropy.random_bytes(SECRET_BYTES),
            entropy.jitter,
        )
        self._hosted = Hosted(NAME, self.machine, mesh, around.judged, LIMITS, self._after)
        folder = mesh.parts.folder.path
        self._kept_own = KeptRows(folder, self.machine.own_to_keep, OWN_FILE, OWN_SECONDS)
        self._kept_others = KeptRows(folder, self.machine.others_to_keep, PLACE_FILE, PLACE_SECONDS)
        self._lookups = 0
        self._found: dict[int, Found | None] = {}
        """What somebody waits for, by number; None: not there yet."""
        self._turned = asyncio.Event()
        """Set, and replaced, whenever the machine did something."""
        self._calling = Calling(around, self.machine)
        self._started = False
        self._ended = False

    # ---- part.Part ----

    def kinds(self) -> Iterator[PeerProtocolKind]:
        """Its family."""
        yield self._hosted.kind

    async def start(self) -> None:
        """Remember what was registered before."""
        folder = self._around.mesh.parts.folder.path
        records = [*read_rows(folder, OWN_FILE), *read_rows(folder, PLACE_FILE)]
        for at in range(0, len(records), REMEMBERED_AT_ONCE):
            self._hosted.do(functools.partial(self._remember, records[at : at + REMEMBERED_AT_ONCE]))
            await asyncio.sleep(0)
        self._around.gossip.rows_changed.append(self._look)
        self._around.mesh.changed.append(self._learn)
        self._look()
        self._learn()
        self._started = True
        self._adapt()

    def use(self, profile: Profile) -> None:
        """The profile is this from now on."""
        self.rendezvous = _section(profile)
        if self._started:
            self._adapt()

    def discovery(self) -> Iterator[DiscoveryKind]:
        """Members that are registered under some tags are called."""
        if self.rendezvous.call:
            yield self._calling.kind

    async def close(self) -> None:
        """Keep what is registered. Before all of that was read the files stay as they are."""
        for listeners, mine in ((self._around.gossip.rows_changed, self._look), (self._around.mesh.changed, self._learn)):
            if mine in listeners:
                listeners.remove(mine)
        self._hosted.close()
        await self._kept_own.close(write=self._started)
        await self._kept_others.close(write=self._started)
        self._ended = True
        self._turn()

    @property
    def problem(self) -> str:
        """This node is to be found, and cannot be; or will not be after a restart."""
        live = [kept for _, kept in self.machine.own.live()]
        if (live or self.rendezvous.call) and not self._who.places(self._wall()):
            return NO_PLACE
        out = [kept for kept in live if not any(at.asked or at.sequence >= 0 for at in kept.at.values())]
        if out:
            return f"no meeting place takes {len(out)} of this node's {len(live)} registrations"
        unkept = self._kept_own.problem or self._kept_others.problem
        return f"registrations cannot be kept: {unkept}" if unkept else ""

    def status(self) -> Mapping[str, Any]:
        """For people and `appliance status`."""
        place = self.machine.place
        return {
            "serves": self.machine.is_place(self._wall()),
            "places": len(self._who.places(self._wall())),
            "registered": sum(1 for _ in self.machine.own.live()),
            "kept": {"registrations": len(place.shelf), "tags": place.shelf.tags, "evicted": place.shelf.evicted},
            "counters": dict(Counter(place.counters) + self.machine.counters + self._hosted.counters),
        }

    # ---- what callers ask ----

    async def register(self, tag: str, ttl: int) -> dict[str, Any]:
        """Be found under `tag`. Raises BadArguments, NoMeetingPlace."""
        if not LEAST_SECONDS <= ttl <= MOST_SECONDS:
            raise BadArguments(f"rendezvous: ttl is {LEAST_SECONDS} to {MOST_SECONDS} seconds")
        self._need_places()
        self._do(lambda now, wall: self.machine.register(tag, ttl, now, wall))
        kept = self.machine.own.tags[tag]
        await self._until(lambda: not any(at.asked for at in kept.at.values()))
        return self._registered(tag, kept)

    def unregister(self, tag: str) -> dict[str, Any]:
        """Be found under it no more. Raises BadArguments."""
        if tag in self.machine.own.fixed:
            raise BadArguments(
                f"rendezvous: the profile says that this node is {tag!r}", hint="take it out of mesh.rendezvous.tags"
            )
        was_there = self._do(lambda now, wall: self.machine.unregister(tag, now, wall))
        return {"tag": tag, "was_registered": was_there}

    async def find(self, tag: str, limit: int) -> dict[str, Any]:
        """Who is registered under `tag`. Raises BadArguments, NoMeetingPlace."""
        if not 1 <= limit <= MOST_FOUND:
            raise BadArguments(f"rendezvous: limit is 1 to {MOST_FOUND}")
        self._need_places()
        found = await self._look_up(tag, limit)
        if found is None or not found.answered:
            raise NoMeetingPlace("no meeting place answers", hint="`appliance rendezvous list` names them; try again later")
        return {
            "tag": tag,
            "members": sorted((self._member(each) for each in found.registrations), key=lambda each: str(each["name"])),
            "answered": [self._name(place) for place in found.answered],
            "silent": [self._name(place) for place in found.silent],
        }

    def list(self) -> dict[str, Any]:
        """The meeting places, and what this node has registered there."""
        places = sorted(self._who.places(self._wall()))
        return {
            "serves": self._own in places,
            "places": [{"name": self._name(place), "identity": identity_text(place)} for place in places],
            "registered": [self._registered(tag, kept) for tag, kept in sorted(self.machine.own.live())],
        }

    async def _look_up(self, tag: str, limit: int) -> Found | None:
        """None: this part has ended meanwhile."""
        self._lookups += 1
        number = self._lookups
        self._found[number] = None
        try:
            self._do(lambda now, wall: self.machine.find(number, tag, limit, now, wall))
            while self._found[number] is None and not self._ended:
                await self._turned.wait()
            return self._found[number]
        finally:
            del self._found[number]

    def _need_places(self) -> None:
        if not self._who.places(self._wall()):
            raise NoMeetingPlace(NO_PLACE, hint=GIVE_ROLE)

    def _do(self, verb: Callable[[float, float], Any]) -> Any:
        """Raises BadArguments."""
        try:
            return self._hosted.do(verb)
        except ValueError:
            raise BadArguments(
                "rendezvous: a tag is 1 to 64 letters, digits, `.`, `_`, `:` and `-`", hint="it begins with a letter or a digit"
            ) from None
        except OverflowError as error:
            raise BadArguments(f"rendezvous: {error}", hint="appliance rendezvous unregister TAG") from None

    def _registered(self, tag: str, kept: Kept) -> dict[str, Any]:
        return {
            "tag": tag,
            "ttl": kept.ttl,
            "expires": clock.utc_text(kept.registration.record.expires),
            "places": [{"place": self._name(place), "state": _state(at)} for place, at in sorted(kept.at.items())],
        }

    def _member(self, registration: Registration) -> dict[str, Any]:
        return {
            "name": self._name(registration.member),
            "identity": identity_text(registration.member),
            "own": registration.member == self._own,
            "endpoints": [str(each.endpoint) for each in registration.endpoints],
            "relays": [self._name(relay) for relay in registration.relays],
            "expires": clock.utc_text(registration.record.expires),
        }

    def _name(self, member: Digest) -> str:
        identity = identity_text(member)
        certificate = self._around.mesh.members().get(identity)
        return identity if certificate is None else certificate.name

    # ---- the machine ----

    async def _until(self, done: Callable[[], bool]) -> None:
        """Wait for it, for a while."""
        limit = self._now() + SETTLED_SECONDS
        waking = self._around.mesh.tasks.spawn(self._wake(), "wait for meeting places")
        try:
            while not done() and self._now() < limit and not self._ended:
                await self._turned.wait()
        finally:
            waking.cancel()

    async def _wake(self) -> None:
        await self._around.mesh.parts.sleep(SETTLED_SECONDS)
        self._turn()

    def _turn(self) -> None:
        turned, self._turned = self._turned, asyncio.Event()
        turned.set()

    def _after(self) -> None:
        machine = self.machine
        for found in machine.found:
            if found.number in self._found:
                self._found[found.number] = found
        machine.found.clear()
        if machine.own.changed:
            machine.own.changed = False
            self._kept_own.soon()
        if machine.place.changed:
            machine.place.changed = False
            self._kept_others.soon()
        if machine.followed_changed:
            machine.followed_changed = False
            self._calling.changed()
        self._turn()

    def _remember(self, records: Sequence[bytes], now: float, wall: float) -> None:
        for each in records:
            self.machine.remember(each, now, wall)

    def _adapt(self) -> None:
        rendezvous = self.rendezvous
        self._hosted.do(lambda now, wall: self.machine.fix(rendezvous.tags, now, wall))
        self._hosted.do(lambda now, wall: self.machine.follow(rendezvous.call, now, wall))

    def _look(self) -> None:
        """Where this node is called may be elsewhere now."""
        row = self._around.gossip.rows().get(self._own)
        where = Where() if row is None else Where(row.endpoints, row.relays)
        if where.differs(self.machine.own.where):
            self._hosted.do(lambda now, wall: self.machine.move(where, now, wall))

    def _learn(self) -> None:
        self._hosted.do(self.machine.learn)
        self._calling.changed()

    def _now(self) -> float:
        return self._around.mesh.parts.monotonic()

    def _wall(self) -> float:
        return self._around.mesh.parts.wall()


def _section(profile: Profile) -> MeshRendezvous:
    assert profile.mesh is not None
    return profile.mesh.rendezvous


def _state(at: At) -> str:
    if at.asked:
        return "asked"
    if at.status is None:
        return "no answer"
    return "registered" if at.sequence >= 0 and at.status == 0 else f"refused: {at.status.name.lower().replace('_', ' ')}"
