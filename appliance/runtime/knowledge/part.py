"""What the members of a network know together, in one running node: a part for each kind of it that the profile wants.

To add a part: a module of its own in this room that imports what it needs, with a class as `Part` says; a switch below `mesh`
in the profile; an entry in `wanted`; its family in `plugin_host.registry.CORE_PROTOCOLS`, so that no plugin takes its name.
What callers may ask it stands in `questions`. A part that can say where a member is called is a `Finder` (`seeking`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from appliance.foundation.logging import get_logger

if TYPE_CHECKING:
    from appliance.api.discovery import DiscoveryKind
    from appliance.api.peer_protocol import PeerProtocolKind
    from appliance.api.profile import Profile
    from appliance.runtime.knowledge.around import Around


class Part(Protocol):
    """One kind of shared knowledge."""

    def kinds(self) -> Iterator[PeerProtocolKind]:
        """The families that it speaks."""

    def status(self) -> Mapping[str, Any]:
        """For people and `appliance status`."""

    @property
    def problem(self) -> str:
        """What is wrong with it; "" if nothing is."""

    async def start(self) -> None:
        """Its families are spoken."""

    async def close(self) -> None:
        """End, and keep on the disk what is to be kept."""


@runtime_checkable
class Finder(Protocol):
    """A part that finds out where members can be called."""

    def discovery(self) -> Iterator[DiscoveryKind]:
        """The discovery kinds of the core that it brings."""


@runtime_checkable
class Adapting(Protocol):
    """A part for which more of the profile counts than whether it is wanted."""

    def use(self, profile: Profile) -> None:
        """The profile is this from now on."""


@runtime_checkable
class Counting(Protocol):
    """A part that counts what happens in the family of its name, for monitors."""

    def counters(self) -> Mapping[str, int]:
        """By what happened; they only rise."""


Make = Callable[[], Part]
log = get_logger("knowledge")


class Knowledge:
    """The parts of one node, by name, in the order in which they start. `wants`: which parts a profile wants, see `wanted`."""

    def __init__(
        self, around: Around, profile: Profile, wants: Callable[[Around, Profile], Iterator[tuple[str, Make]]] | None = None
    ) -> None:
        self.around = around
        self._wants = wants or wanted
        self.parts: dict[str, Part] = {name: make() for name, make in self._wants(around, profile)}
        self._started: set[str] = set()

    @property
    def kinds(self) -> dict[str, PeerProtocolKind]:
        """The families that are spoken for them."""
        return {kind.name: kind for part in self.parts.values() for kind in part.kinds()}

    @property
    def discovery(self) -> dict[str, DiscoveryKind]:
        """The discovery kinds that run for them."""
        finders = [part for part in self.parts.values() if isinstance(part, Finder)]
        return {kind.name: kind for finder in finders for kind in finder.discovery()}

    async def start(self) -> None:
        """One after the other, those that have not started yet."""
        for name, part in self.parts.items():
            if name not in self._started:
                self._started.add(name)
                log.debug("shared knowledge starts", part=name)
                await part.start()

    async def use(self, profile: Profile) -> None:
        """The profile is this from now on: what it wants no more ends. What is new is there, and waits for `start`, which is
        called when its families are spoken."""
        makes = dict(self._wants(self.around, profile))
        for name in [name for name in reversed(self.parts) if name not in makes]:
            self._started.discard(name)
            await self.parts.pop(name).close()
        for part in self.parts.values():
            if isinstance(part, Adapting):
                part.use(profile)
        self.parts = {name: self.parts.get(name) or make() for name, make in makes.items()}

    async def close(self) -> None:
        """The other way round, each whatever becomes of the others. Raises ExceptionGroup once all have been told."""
        failed = []
        for name, part in reversed(self.parts.items()):
            log.debug("shared knowledge ends", part=name)
            try:
                await part.close()
            except Exception as error:  # noqa: BLE001  the others have something to keep on the disk, too
                failed.append(error)
        if failed:
            raise ExceptionGroup("parts of shared knowledge failed to end", failed)

    def counters(self) -> dict[str, Mapping[str, int]]:
        """By part, of those that count."""
        return {name: part.counters() for name, part in self.parts.items() if isinstance(part, Counting)}

    def problems(self) -> dict[str, str]:
        """What is wrong, by part; "" if nothing is."""
        return {name: part.problem for name, part in self.parts.items()}

    def status(self) -> dict[str, Any]:
        """By part."""
        return {name: dict(part.status()) for name, part in self.parts.items()}


def wanted(around: Around, profile: Profile) -> Iterator[tuple[str, Make]]:
    """The parts that the profile wants, and how each is made. What a part takes is imported here, when it is wanted."""
    from appliance.runtime.knowledge.scores import Scores

    yield "scores", lambda: Scores(around)
    if profile.mesh is not None and profile.mesh.dht:
        from appliance.runtime.knowledge.dht import HashTable

        yield "dht", lambda: HashTable(around)
    if profile.mesh is not None and profile.mesh.topics:
        from appliance.runtime.knowledge.topics import Topics

        yield "topics", lambda: Topics(around)
    if profile.mesh is not None and profile.mesh.rendezvous.use:
        from appliance.runtime.knowledge.rendezvous import RendezvousPart

        yield "rendezvous", lambda: RendezvousPart(around, profile)
    if profile.mesh is not None and profile.management is not None and profile.management.servers:
        from appliance.runtime.knowledge.letters import LettersPart

        yield "letters", lambda: LettersPart(around)
