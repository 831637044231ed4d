"""What happens to a node, told to those who follow it over the control socket. The items are in docs/control-socket.md."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.api.events import PathChanged, SessionClosed, SessionOpened
from appliance.control.feed import Feed
from appliance.foundation import clock

if TYPE_CHECKING:
    from appliance.runtime.health import Health
    from appliance.runtime.in_force import InForce

LOOK_EVERY = 1.0
"""Seconds between two looks whether health, profile or audit log have changed, while somebody follows."""


class Events:
    """Tells followers of sessions when they change, of its health, its profile and its audit log soon after."""

    def __init__(self, health: Callable[[], Health], in_force: InForce, audited: Callable[[], int]) -> None:
        """`audited()`: how many entries the audit log took since the node was started."""
        self._health = health
        self._audited = audited
        self._in_force = in_force
        self._feed = Feed()
        self._known: tuple[dict[str, Any], tuple[Path, ...], object, int] | None = None
        self._next_look: asyncio.TimerHandle | None = None

    async def follow(self) -> AsyncGenerator[Any, None]:
        """The health now, and what happens from now on. Ends when it is closed."""
        self._look()  # what changed before is no news
        async with aclosing(self._feed.follow(lambda: _item("health", **self._health_now()))) as items:
            async for item in items:
                if self._next_look is None:
                    self._look_again()
                yield item

    def on_session(self, event: SessionOpened | SessionClosed | PathChanged) -> None:
        """A subscriber of the node's."""
        if self._feed:
            self._feed.say(_session_item(event))

    def on_member(self, event: str, fields: Mapping[str, Any]) -> None:
        """Something befell a member, or the network."""
        if self._feed:
            self._feed.say(_item(event, **fields))

    def _look_again(self) -> None:
        self._look()
        self._next_look = asyncio.get_running_loop().call_later(LOOK_EVERY, self._look_again) if self._feed else None

    def _look(self) -> None:
        before = self._known
        health, files, profile, audited = self._known = (
            self._health_now(),
            self._in_force.files,
            self._in_force.profile,
            self._audited(),
        )
        if before is None or not self._feed:
            return
        if health != before[0]:
            self._feed.say(_item("health", **health))
        if files != before[1] or profile is not before[2]:
            self._feed.say(_item("profile", name=self._in_force.profile.name, in_force=[str(file) for file in files]))
        if audited > before[3]:
            self._feed.say(_item("audit", entries=audited))

    def _health_now(self) -> dict[str, Any]:
        health = self._health()
        return {"state": health.state} | health.document()


def _session_item(event: SessionOpened | SessionClosed | PathChanged) -> dict[str, Any]:
    match event:
        case SessionOpened(peer, session, suite, pq, endpoint):
            return _item("session-opened", peer=peer, session=session, suite=suite, pq=pq, endpoint=endpoint)
        case SessionClosed(peer, session, reason):
            return _item("session-closed", peer=peer, session=session, reason=reason)
        case PathChanged(peer, session, endpoint):
            return _item("session-moved", peer=peer, session=session, endpoint=endpoint)


def _item(event: str, **fields: Any) -> dict[str, Any]:
    return {"event": event, "time": clock.utc_text(clock.wall())} | fields
