"""A store whose commits are steps of traces: a full or slow disk shows where it is waited for."""

from __future__ import annotations

from appliance.api.stores import Change, Store
from appliance.api_server.tracing.current import step


class TracedStore:
    """A `Store` around another one. Reads come from memory or take microseconds, and have no steps."""

    def __init__(self, inside: Store) -> None:
        self._inside = inside
        self.get = inside.get
        self.scan = inside.scan
        self.tail = inside.tail
        self.stats = inside.stats
        self.close = inside.close

    async def commit(self, *changes: Change, durable: bool = True) -> list[int]:
        """See the protocol."""
        with step("commit", attributes={"db.operation.batch.size": len(changes)}):
            return await self._inside.commit(*changes, durable=durable)
