"""What callers may ask for, and what they hear when they ask badly or a plugin's operation fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.api.management import ApiCall, ApiRoute, Principal
from appliance.control.conversation import Request
from appliance.errors import ExitCode, HostError, PluginFault
from appliance.runtime.operations import CHANGE, READ, BadArguments, operations
from appliance.runtime.plugins.calls import PluginCalls
from appliance.testing.management import FakeRouteServices


class Reload:
    """Notes what it was asked to do."""

    def __init__(self) -> None:
        self.asked: list[tuple[dict[Path, bytes] | None, float | None, str | None]] = []

    async def reload(
        self, given: dict[Path, bytes] | None, *, confirm_within: float | None, admin: str | None, plan: str | None
    ) -> Mapping[str, Sequence[str]]:
        self.asked.append((given, confirm_within, admin, plan))
        return {"steps": []}


ASKER = Principal("local", "root", 0, 0, 1)
Routes = Mapping[str, tuple[str, ApiRoute]]


def asked(routes: Routes, reload: Reload | None = None) -> Any:
    node = SimpleNamespace(
        calls=PluginCalls(), plugins=SimpleNamespace(api_routes=lambda: routes), asked=lambda _: FakeRouteServices()
    )
    return SimpleNamespace(node=node, reload=reload)


async def ask(op: str, args: Mapping[str, Any], routes: Routes | None = None) -> tuple[Any, Reload]:
    """`body` in `args` is what follows the question."""
    reload = Reload()
    body = args.get("body", b"")
    request = Request(ASKER, {name: value for name, value in args.items() if name != "body"}, body)
    answer: Any = operations(asked(routes or {}, reload))[op].handler(request)
    return await answer, reload


async def test_a_reload_is_told_texts_time_and_the_admins_connection() -> None:
    admin = "192.0.2.9 50000 192.0.2.1 22"
    files = [["/etc/a.yaml", 5], ["/etc/a.yaml.d/b.yaml", 0], ["/etc/a.yaml.d/c.yaml", 2]]
    _, reload = await ask("reload", {"files": files, "body": b"first;2", "confirm_within": 60, "admin": admin})
    texts = {Path("/etc/a.yaml"): b"first", Path("/etc/a.yaml.d/b.yaml"): b"", Path("/etc/a.yaml.d/c.yaml"): b";2"}
    assert reload.asked == [(texts, 60, admin, None)]
    _, reload = await ask("reload", {"plan": "p"})
    assert reload.asked == [(None, None, None, "p")]


@pytest.mark.parametrize(
    "args",
    [
        {"paths": ["/etc/a.yaml"]},
        {"files": []},
        {"files": "/etc/a.yaml"},
        {"files": [["/a", 3]], "body": b"1234"},
        {"files": [["/a", -1], ["/b", 5]], "body": b"1234"},
        {"files": [["a", 4]], "body": b"1234"},
        {"files": [["/a\0b", 4]], "body": b"1234"},
        {"files": [["/a", "4"]], "body": b"1234"},
        {"body": b"1234"},
        {"confirm_within": "60s"},
        {"confirm_within": 0},
        {"confirm_within": 90000},
    ],
)
async def test_arguments_that_make_no_sense_are_refused(args: Mapping[str, Any]) -> None:
    with pytest.raises(BadArguments) as caught:
        await ask("reload", args)
    assert caught.value.exit_code == ExitCode.INVALID


def test_what_changes_something_needs_more_than_what_looks() -> None:
    permissions = {name: operation.permission for name, operation in operations(asked({})).items()}
    looking = {name for name, permission in permissions.items() if permission == READ}
    about_members = {"lookup", "peers", "netcheck", "invitations"}
    assert (
        looking
        == {"status", "health", "metrics", "plugins", "profile", "discovered", "events", "services", "crypto", "operations"}
        | about_members
    )
    assert {permission for name, permission in permissions.items() if name not in looking} == {
        CHANGE,
        "node.plan",
        "node.debug",
        "enrolment.invite",
        "stream.open",
        "stream.serve",
        "knowledge.read",
        "knowledge.write",
        "api.serve",
    }


async def works(call: ApiCall) -> Any:
    return {"for": call.principal.name}


async def refuses(_call: ApiCall) -> Any:
    raise HostError("not today", hint="tomorrow")


async def breaks(_call: ApiCall) -> Any:
    raise ZeroDivisionError


ROUTES = {
    name: ("astronomy", ApiRoute(name, "moon.read", handler))
    for name, handler in {"moon": works, "moon.no": refuses, "moon.bug": breaks, "status": breaks}.items()
}


async def test_a_plugins_operation_is_asked_under_its_own_permission() -> None:
    answer, _ = await ask("moon", {}, ROUTES)
    assert answer == {"for": "root"}
    assert operations(asked(ROUTES))["moon"].permission == "moon.read"


async def test_a_plugins_refusal_is_passed_on_and_its_bug_is_named() -> None:
    with pytest.raises(HostError, match="not today"):
        await ask("moon.no", {}, ROUTES)
    with pytest.raises(PluginFault, match=r"plugin astronomy: route astronomy: moon\.bug raised ZeroDivisionError"):
        await ask("moon.bug", {}, ROUTES)


def test_a_plugin_does_not_take_the_place_of_the_cores_own() -> None:
    assert operations(asked(ROUTES))["status"].permission == READ
