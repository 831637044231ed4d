"""Strangers on probation (`protocol.probation`), as the rest of a running node hears of them: workers by name and with no prefix,
the log at debug, nobody else but who asks for it here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from appliance.protocol.events import StrangerCame, StrangerEvent
from appliance.protocol.identity import PREFIX

if TYPE_CHECKING:
    from appliance.protocol.node import Node
    from appliance.runtime.workers.pool import WorkerPool
    from appliance.runtime.workers.process import WorkerProcess


class StrangerNews:
    """Who is told of strangers."""

    def __init__(self, node: Node, pool: Callable[[], WorkerPool | None]) -> None:
        self._node = node
        self._pool = pool
        self.listener: Callable[[StrangerEvent], None] = lambda _event: None
        """Told who is on probation and who no longer is. Must not raise, and calls the node in a later turn only."""

    def tell(self, event: StrangerEvent) -> None:
        """Somebody came or went. A worker knows a stranger as long as it may have a session."""
        pool = self._pool()
        if pool is not None:
            if isinstance(event, StrangerCame):
                pool.put_peers([(event.peer, (), 0)])
            else:
                pool.drop_peers([event.peer])
        self.listener(event)

    def introduce(self, worker: WorkerProcess) -> None:
        """Tell a worker that knows nothing yet who is there."""
        worker.put_peers([(name, (), 0) for name in self._node.strangers])


def is_stranger(name: str) -> bool:
    """Is that the name of a stranger? It is a fingerprint, which no name of a profile or certificate can be."""
    return name.startswith(PREFIX)
