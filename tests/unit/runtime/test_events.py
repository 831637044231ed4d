"""What who follows a node hears."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.api.events import PathChanged, SessionClosed, SessionOpened
from appliance.runtime import events
from appliance.runtime.events import Events
from appliance.runtime.health import Health
from appliance.runtime.in_force import InForce

WELL = {"state": "running", "ok": True, "ready": True, "problems": {}}


class Node:
    """Its health and its profile, to be changed by hand."""

    def __init__(self) -> None:
        self.health = Health({"worker": "ok"}, ready=True)
        self.in_force = InForce(another("gateway"), (Path("/etc/a.yaml"),), ())
        self.entries = 1
        self.events = Events(lambda: self.health, self.in_force, lambda: self.entries)


def another(name: str) -> Any:
    return SimpleNamespace(name=name)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LOOK_EVERY", 0.001)


def without_time(item: dict[str, Any]) -> dict[str, Any]:
    assert item["time"].endswith("Z")
    return {name: value for name, value in item.items() if name != "time"}


async def test_sessions_come_move_and_go() -> None:
    node = Node()
    node.events.on_session(SessionOpened("nobody", "0", "s", pq=True, endpoint=""))
    async with aclosing(node.events.follow()) as heard:
        assert without_time(await anext(heard)) == {"event": "health"} | WELL
        node.events.on_session(SessionOpened("office", "6f", "aes-256-gcm", pq=True, endpoint="udp://192.0.2.1:1"))
        node.events.on_session(PathChanged("office", "6f", "udp://192.0.2.2:1"))
        node.events.on_session(SessionClosed("office", "6f", "idle"))
        assert [without_time(await anext(heard)) for _ in range(3)] == [
            {
                "event": "session-opened",
                "peer": "office",
                "session": "6f",
                "suite": "aes-256-gcm",
                "pq": True,
                "endpoint": "udp://192.0.2.1:1",
            },
            {"event": "session-moved", "peer": "office", "session": "6f", "endpoint": "udp://192.0.2.2:1"},
            {"event": "session-closed", "peer": "office", "session": "6f", "reason": "idle"},
        ]


async def test_health_and_profile_are_told_when_they_change_to_all_who_follow() -> None:
    node = Node()
    async with aclosing(node.events.follow()) as one, aclosing(node.events.follow()) as other:
        await anext(one)
        node.health = Health({"worker": "ok"}, ready=False)
        assert (await anext(one))["ready"] is False
        await anext(other)
        node.health = Health({"worker": "it does not run"}, ready=True)
        ill = {"state": "degraded", "ok": False, "ready": True, "problems": {"worker": "it does not run"}}
        assert without_time(await anext(one)) == {"event": "health"} | ill
        assert without_time(await anext(other)) == {"event": "health"} | ill
        node.in_force.profile = another("gateway-2")
        assert without_time(await anext(one)) == {"event": "profile", "name": "gateway-2", "in_force": ["/etc/a.yaml"]}


async def test_what_changed_while_nobody_followed_is_no_news() -> None:
    node = Node()
    async with aclosing(node.events.follow()) as heard:
        await anext(heard)
    node.in_force.profile = another("gateway-2")
    node.health = Health({"worker": "it does not run"}, ready=True)
    async with aclosing(node.events.follow()) as heard:
        assert (await anext(heard))["state"] == "degraded"
        node.events.on_session(SessionClosed("office", "6f", "idle"))
        assert (await anext(heard))["event"] == "session-closed"


async def test_what_befalls_members_is_told() -> None:
    node = Node()
    node.events.on_member("member-died", {"member": "nobody hears this"})
    async with aclosing(node.events.follow()) as heard:
        await anext(heard)
        node.events.on_member("member-died", {"member": "laptop"})
        node.events.on_member("network-parted", {"lost": 2, "left": 1})
        assert [without_time(await anext(heard)) for _ in range(2)] == [
            {"event": "member-died", "member": "laptop"},
            {"event": "network-parted", "lost": 2, "left": 1},
        ]


async def test_it_is_told_that_there_is_more_in_the_audit_log() -> None:
    node = Node()
    async with aclosing(node.events.follow()) as heard:
        await anext(heard)
        node.entries += 2
        assert without_time(await anext(heard)) == {"event": "audit", "entries": 3}
