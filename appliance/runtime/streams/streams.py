"""Streams of one node: those that its applications open, and those that they serve. What it takes is loaded when the first
application asks.

There is a door, a listening port, as long as something is served.
"""

from __future__ import annotations

import asyncio
from collections import ChainMap, Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

from appliance.errors import HostError
from appliance.foundation.logging import get_logger
from appliance.foundation.tasks import Tasks
from appliance.runtime.streams.datagrams import IncomingDatagrams
from appliance.runtime.streams.errors import ServiceTaken, StreamError
from appliance.runtime.streams.incoming import Incoming, Judge
from appliance.runtime.streams.opening import PORT, Opening
from appliance.runtime.streams.served import Served
from appliance.runtime.streams.traced import Trace, untraced

if TYPE_CHECKING:
    from appliance.runtime.peers.table import Address, PeerTable
    from appliance.runtime.streams.sockets import Listening, OverlaySockets

log = get_logger("streams")

LOOK_SECONDS: Final = 2.0
"""How often it is looked whether the door is still where it was: device and addresses may change under it."""
MOST_SERVICES: Final = 256


class Streams:
    """`own()` are this node's addresses in the overlay, `sockets` makes sockets there, `place()` says where those are made: when
    it says something else, the door is opened anew."""

    def __init__(
        self,
        table: PeerTable,
        own: Callable[[], Sequence[Address]],
        sockets: OverlaySockets,
        place: Callable[[], object],
        trace: Trace = untraced,
    ) -> None:
        self._sockets = sockets
        self._place = place
        self.judge: Judge = lambda _caller, _service: ""
        """Who may have which service."""
        self.opening = Opening(sockets, trace)
        self._services: dict[str, Served] = {}
        self._by_datagrams: dict[str, Served] = {}
        self.counted: Counter[str] = Counter()
        """Streams that were "given", and callers that were not let in, by reason."""
        self._incoming = Incoming(table, own, self._services, lambda: self.judge, self.counted, trace)
        self._datagrams = IncomingDatagrams(
            sockets, PORT, table, own, self._by_datagrams, lambda: self.judge, self.counted, trace
        )
        self._door: Listening | None = None
        self._door_at: object = None
        self.problem = ""
        """What keeps callers from getting in; "" if nothing does."""
        self.ended: Callable[[str], None] = lambda _service: None
        """Told when a service is served no more."""
        self._tasks = Tasks()

    async def close(self) -> None:
        """No more streams; those that were handed over go on."""
        await self._tasks.close()
        self._shut()
        await self._incoming.close()

    async def serve(self, name: str, uid: int, *, datagrams: bool = False) -> AsyncGenerator[Any, None]:
        """An item that says that `name` is served from now on, and then what comes in for it, until it is closed. Raises
        StreamError, HostError."""
        services = self._by_datagrams if datagrams else self._services
        served = self._registered(services, name, uid)
        try:
            yield {"serving": name}
            async with aclosing(served.items()) as items:  # what waits is closed now, and not some time later
                async for stream in items:
                    yield stream
        finally:
            del services[name]
            if name not in self.services:
                self.ended(name)
            if not self.services:
                self._shut()  # at once: while the next line waits, somebody may begin to serve
                await self._tasks.close()

    @property
    def services(self) -> Mapping[str, Served]:
        """What is served now, by name."""
        return ChainMap(self._services, self._by_datagrams)

    def shown(self) -> dict[str, Any] | None:
        """For `status`; None as long as nothing happened."""
        if not self.services and not self.counted:
            return None
        return {
            "services": [
                {"service": name, "datagrams": services is self._by_datagrams, "uid": each.uid, "streams": each.streams}
                for services in (self._services, self._by_datagrams)
                for name, each in services.items()
            ],
            "callers": dict(self.counted),
            "problem": self.problem,
        }

    # ---- the door ----

    def _registered(self, services: dict[str, Served], name: str, uid: int) -> Served:
        if name in services:
            raise ServiceTaken(
                f"service {name} is served by another application of this host", hint="end that, or choose another name"
            )
        if len(self._services) + len(self._by_datagrams) >= MOST_SERVICES:
            raise StreamError(f"this node serves {MOST_SERVICES} services already", hint="end one of them")
        if self._door is None:
            self._open()
            self._tasks.spawn(self._follow(), "the door of streams")
        served = services[name] = Served(name, uid)
        return served

    def _open(self) -> None:
        at = self._place()
        door = self._sockets.listen(PORT, self._incoming.take)
        try:
            self._datagrams.open()
        except BaseException:
            door.close()
            raise
        self._door, self._door_at = door, at

    def _shut(self) -> None:
        if self._door is not None:
            self._door.close()
            self._datagrams.close()
            self._door = None

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._place() == self._door_at and self._door is not None:
                continue
            self._shut()
            try:
                self._open()
                self.problem = ""
            except (HostError, OSError) as error:
                if not self.problem:
                    log.warning("streams do not get in", reason=str(error))
                self.problem = str(error)
