"""Streams that were given to applications. Nobody tells when one ends: what is noted is compared with what the kernel has, or
whatever has the node's connections."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from appliance.foundation.logging import get_logger
from appliance.linux import connections
from appliance.linux.connections import Far

if TYPE_CHECKING:
    from appliance.runtime.inside import Inside
    from appliance.runtime.streams.callers import Caller

log = get_logger("policy")

STREAMS_PORT: Final = 842
LOOK_AT: Final = 1024
"""Notes after which it is looked which of these streams there still are; then twice as many as these."""


class Connections(Protocol):
    """Those of a node inside the overlay."""

    def at_port(self, port: int) -> Mapping[Far, Any]:
        """Whose are there at that port of ours, each with what `end` takes. Raises OSError."""
        ...

    def end(self, which: Sequence[Any]) -> tuple[int, int]:
        """Break these off. How many were, and how many could not be. Raises OSError."""
        ...


class KernelConnections:
    """Those that the kernel has `inside`."""

    def __init__(self, inside: Inside) -> None:
        self._inside = inside

    def at_port(self, port: int) -> Mapping[Far, bytes]:
        """As Connections."""
        return self._inside.call(connections.at_port, port)

    def end(self, which: Sequence[bytes]) -> tuple[int, int]:
        """As Connections."""
        return self._inside.call(connections.end, which)


class GivenStreams:
    """`connections` has them."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._noted: dict[Far, tuple[Caller, str]] = {}
        self._look_at = LOOK_AT
        self.ended = 0
        """How many were ended because they were not allowed any more."""

    def note(self, caller: Caller, service: str) -> None:
        """The caller gets a stream to that service, if there is such."""
        self._noted[Far(caller.address, caller.port, caller.datagrams)] = caller, service
        if len(self._noted) >= self._look_at:
            self._live()
            self._look_at = max(LOOK_AT, 2 * len(self._noted))

    def end_unless(self, may: Callable[[Caller, str], bool]) -> None:
        """End all whose caller may not have their service any more."""
        if not self._noted:
            return
        live = self._live()
        denied = [ident for key, ident in live.items() if not may(*self._noted[key])]
        if not denied:
            return
        try:
            ended, refused = self._connections.end(denied)
        except OSError as error:
            ended, refused = 0, len(denied)
            log.debug("the kernel does not answer", reason=str(error))
        self.ended += ended
        log.info("streams that are not allowed any more were ended", streams=ended)
        if refused:
            log.error("streams that are not allowed any more go on", streams=refused, reason="the kernel does not end them")

    def _live(self) -> dict[Far, Any]:
        """Those that there still are, with what the kernel knows them by. All others are forgotten."""
        try:
            found = self._connections.at_port(STREAMS_PORT)
        except OSError as error:
            log.error("the kernel does not tell which streams there are", reason=str(error))  # noqa: TRY400  nobody's bug
            self._noted = dict(list(self._noted.items())[-LOOK_AT // 2 :])
            return {}
        self._noted = {key: self._noted[key] for key in found if key in self._noted}
        return {key: found[key] for key in self._noted}
