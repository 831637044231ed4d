"""A host that was asleep: the node is told for how long."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.foundation import clock
from appliance.runtime.node import activity
from appliance.runtime.node.activity import Activity


async def test_the_node_is_told_once_how_long_the_host_was_asleep(monkeypatch: pytest.MonkeyPatch) -> None:
    asleep, told, looked = 3600.0, list[float](), asyncio.Event()
    monkeypatch.setattr(clock, "since_boot", lambda: clock.monotonic() + asleep)
    monkeypatch.setattr(activity, "POLL_SECONDS", 0.0)
    node: Any = SimpleNamespace(sessions={}, handle_slept=lambda seconds, _now: told.append(seconds))
    looking = Activity(node, lambda: None, looked.set)
    looking.start()
    await looked.wait()
    assert told == [], "what it slept before we began is not our business"
    asleep += 90.0
    for _ in range(3):
        looked.clear()
        await looked.wait()
    looking.stop()
    assert told == [pytest.approx(90.0, abs=1.0)]
