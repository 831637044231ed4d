"""With whom sessions are wanted, and by whom: one is kept alive for as long as somebody wants it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class WantedSessions:
    """Of one mesh. `keep` is told the identity of a member, and whether a session with it is wanted now."""

    def __init__(self, keep: Callable[[str, bool], None]) -> None:
        self._keep = keep
        self._by: dict[str, set[str]] = {}
        self._calls: dict[tuple[str, str], asyncio.TimerHandle] = {}

    def hold(self, identity: str, who: str) -> None:
        """`who` wants a session with that member until `release`."""
        wanted_by = self._by.setdefault(identity, set())
        is_first = not wanted_by
        wanted_by.add(who)
        if is_first:
            self._keep(identity, True)  # noqa: FBT003

    def release(self, identity: str, who: str) -> None:
        """`who` wants it no more: it ends when it is idle, if nobody else wants it."""
        handle = self._calls.pop((identity, who), None)
        if handle is not None:
            handle.cancel()
        wanted_by = self._by.get(identity, set())
        if who in wanted_by:
            wanted_by.remove(who)
            if not wanted_by:
                del self._by[identity]
                self._keep(identity, False)  # noqa: FBT003

    def call(self, identity: str, who: str, seconds: float) -> None:
        """`who` wants it for so long from now, and no longer. Not to be mixed with `hold` by the same `who`."""
        before = self._calls.pop((identity, who), None)
        if before is not None:
            before.cancel()
        self.hold(identity, who)
        self._calls[identity, who] = asyncio.get_running_loop().call_later(seconds, self.release, identity, who)

    def close(self) -> None:
        """No call ends by time any more: the node stops."""
        for handle in self._calls.values():
            handle.cancel()
        self._calls.clear()
