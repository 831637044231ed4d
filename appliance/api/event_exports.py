"""What an event export is: it hands the events of the API server to somebody else, in order and at least once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol

from appliance.api.api_parts import ApiServices


class ExportedEvent(NamedTuple):
    """One event, as `GET /api/v1/events` tells it."""

    id: int
    """Grows with each event of this API server's store. An event may come twice with the same id, and never after a later one."""
    kind: str
    """What happened: "job.ended"."""
    document: bytes
    """The whole event: a JSON object, UTF-8."""


class EventExport(Protocol):
    """Where events go."""

    async def send(self, events: Sequence[ExportedEvent]) -> None:
        """Returns when the other side has them all. Raises ApplianceError or OSError if it has not: the same events are sent
        again later. May be cancelled."""


class ExportKind(NamedTuple):
    """An event export as registered by `appliance_event_exports()`; see `api.kinds`. `name` is a key below `management.exports`
    in a profile."""

    name: str
    settings: Callable[[], type[Any]] | None
    open: Callable[[Any, ApiServices], AbstractAsyncContextManager[EventExport]]
    imports: tuple[str, ...] = ()
    """As in `api.stores.StoreKind`."""
