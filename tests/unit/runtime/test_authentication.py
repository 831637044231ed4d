"""The table of what a caller may ask the daemon for: nothing in it is done for somebody who may not."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.api.management import ApiCall, ApiRoute, Principal, Verdict
from appliance.control.admission import Admission
from appliance.control.authority import Authority, Opinion
from appliance.control.server import ControlServer, Operation
from appliance.management.iam.roles import OF_THE_API_SERVER, PERMISSIONS
from appliance.runtime.operations import operations
from appliance.runtime.plugins.calls import PluginCalls
from appliance.testing.management import FakeRouteServices

ADDRESS = f"\0appliance-test-authentication-{os.getpid()}"
STRANGER = Principal("local", "stranger", 60_000, 60_000, 1)
ROOT = Principal("local", "root", 0, 0, 1)


async def moon(_call: ApiCall) -> Any:
    return "full"


ROUTES = {"moon": ("astronomy", ApiRoute("moon", "moon.read", moon))}
PARTS: Any = SimpleNamespace(
    node=SimpleNamespace(
        calls=PluginCalls(), plugins=SimpleNamespace(api_routes=lambda: ROUTES), asked=lambda _plugin: FakeRouteServices()
    )
)
TABLE = operations(PARTS)


def test_the_table_has_what_the_core_and_what_plugins_offer() -> None:
    assert TABLE.keys() >= {"status", "health", "metrics", "reload", "confirm", "rollback", "stop", "moon"}


@pytest.mark.parametrize("name", TABLE)
def test_every_operation_has_a_permission(name: str) -> None:
    assert TABLE[name].permission in {*PERMISSIONS, *OF_THE_API_SERVER, "moon.read"}


@pytest.mark.parametrize("name", TABLE)
async def test_a_stranger_may_nothing_unless_a_plugin_says_so(name: str) -> None:
    def authority(**opinions: Opinion) -> Authority:
        return Authority(lambda: None, opinions, lambda _plugin, _error: None)

    permission = TABLE[name].permission
    assert not await authority().allows(STRANGER, permission, name)
    assert await authority(kind=lambda *_: Verdict.ALLOW).allows(STRANGER, permission, name)
    assert await authority().allows(ROOT, permission, name)


@pytest.mark.parametrize("name", TABLE)
async def test_who_may_not_is_refused_before_anything_is_done(name: str) -> None:
    asked: list[tuple[str, str]] = []

    async def allowed(_principal: Principal, permission: str, target: str) -> bool:
        asked.append((permission, target))
        return False

    async def done(_args: Mapping[str, Any]) -> Any:
        pytest.fail("it was done all the same")

    table = {each: Operation(operation.permission, done, operation.most_bytes) for each, operation in TABLE.items()}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as listener:
        listener.bind(ADDRESS)
        listener.listen()
        serving = ControlServer(table, allowed, Admission())
        serving.serve(listener)
        try:
            reader, writer = await asyncio.open_unix_connection(ADDRESS)
            writer.write(json.dumps({"op": name, "args": {}}).encode() + b"\n")
            answer = json.loads(await reader.readline())
            writer.close()
        finally:
            await serving.close()
    assert not answer["ok"]
    assert answer["error"]["code"] == "permission"
    assert asked == [(TABLE[name].permission, name)]
