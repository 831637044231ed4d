"""Monitors started, left alone, stopped; none of their failures is the node's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pydantic import BaseModel

from appliance.api.monitoring import MonitoringServices, MonitorKind
from appliance.runtime.plugins.monitors import Monitors


class Settings(BaseModel):
    port: int = 1


class Kind:
    """Notes what happens to its monitors."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    @asynccontextmanager
    async def open(self, settings: Any, services: MonitoringServices) -> AsyncIterator[None]:
        if settings.port == 99:
            raise OSError("in use")
        self.notes.append(f"start {settings.port}")
        yield
        self.notes.append(f"stop {settings.port}")
        if settings.port == 66:
            raise RuntimeError("cannot stop")


def monitors(kind: Kind) -> Monitors:
    services: Any = None
    return Monitors({"page": MonitorKind("page", lambda: Settings, kind.open)}, services)


async def test_only_what_changed_is_restarted() -> None:
    kind = Kind()
    running = monitors(kind)
    await running.use({"page": {"port": 2}})
    await running.use({"page": {"port": 2}})
    await running.use({"page": {"port": 3}})
    await running.close()
    assert kind.notes == ["start 2", "stop 2", "start 3", "stop 3"]
    assert running.problems == {}


async def test_one_that_fails_is_named() -> None:
    kind = Kind()
    running = monitors(kind)
    await running.use({"page": {"port": 99}})
    assert "in use" in running.problems["page"]
    await running.use({"page": {"port": "x"}})
    assert "ValidationError" in running.problems["page"]
    await running.use({"nothing": {}})
    assert "no enabled plugin" in running.problems["nothing"]
    await running.use({"page": {"port": 66}})
    assert running.problems == {}
    await running.close()
    assert kind.notes == ["start 66", "stop 66"]
