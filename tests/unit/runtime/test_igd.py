"""A port by UPnP: what the process makes of what the library says, and what the node makes of what the process says."""

from __future__ import annotations

import json
import sys
from types import ModuleType
from typing import Any

import pytest

from appliance.api.values import Endpoint
from appliance.runtime.members import igd, igd_port
from appliance.runtime.members.igd_port import IgdPort


class FakeRouter:
    """A router as the library shows it: `taken` ports belong to others, `forever` are the only leases it gives."""

    def __init__(self, *, there: bool = True, taken: tuple[int, ...] = (), forever: bool = False, closed: bool = False) -> None:
        self.there, self.taken, self.forever, self.closed = there, taken, forever, closed
        self.mapped: dict[int, tuple[str, int, int]] = {}

    def discover(self) -> int:
        return int(self.there)

    def selectigd(self) -> str:
        return "http://router"

    def externalipaddress(self) -> str:
        return "203.0.113.9"

    def addportmapping(self, outside: int, _protocol: str, host: str, port: int, _what: str, _remote: str, lease: int) -> bool:
        if self.closed or outside in self.taken or (self.forever and lease):
            raise Exception("ConflictInMappingEntry")  # noqa: TRY002 - as the library does
        self.mapped[outside] = (host, port, lease)
        return True

    def deleteportmapping(self, outside: int, _protocol: str) -> bool:
        return self.mapped.pop(outside, None) is not None


@pytest.fixture
def router(monkeypatch: pytest.MonkeyPatch) -> FakeRouter:
    found = FakeRouter()
    library = ModuleType("miniupnpc")
    library.UPnP = lambda **_words: found  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "miniupnpc", library)
    monkeypatch.setattr(igd, "drop_all", lambda: None)
    return found


def ask(deed: str, port: int = 8443) -> dict[str, Any]:
    return igd.main([deed, "10.1.0.2", str(port), "1200"])


def test_a_port_is_asked_for_and_given_back(router: FakeRouter) -> None:
    assert ask("add") == {"address": "203.0.113.9", "port": 8443}
    assert router.mapped == {8443: ("10.1.0.2", 8443, 1200)}
    assert ask("delete") == {}
    assert router.mapped == {}


def test_a_port_that_others_have_leads_to_the_next_and_a_lease_for_ever_is_taken(router: FakeRouter) -> None:
    router.taken, router.forever = (8443, 8444), True
    assert ask("add") == {"address": "203.0.113.9", "port": 8445}
    assert router.mapped == {8445: ("10.1.0.2", 8443, 0)}


def test_no_router_and_one_that_refuses_are_said(router: FakeRouter) -> None:
    router.closed = True
    assert "refuses a mapping" in ask("add")["problem"]
    router.there = False
    assert ask("add") == {"problem": "no router answers UPnP"}


def test_a_library_that_is_missing_or_raises_is_a_problem_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "miniupnpc", None)
    assert ask("add")["problem"].startswith("UPnP: ")


@pytest.mark.parametrize(
    ("said", "mapped"),
    [
        ({"address": "203.0.113.9", "port": 8443}, Endpoint("udp", "203.0.113.9", 8443)),
        ({"address": "nonsense", "port": 8443}, None),
        ({"address": "203.0.113.9"}, None),
        ({"address": "203.0.113.9", "port": "x"}, None),
        ({"address": "203.0.113.9", "port": 0}, None),
        ({"address": "203.0.113.9", "port": 70000}, None),
        ({"address": None, "port": None}, None),
        ({"problem": "no router answers UPnP"}, None),
        ({}, None),
    ],
)
def test_what_the_process_says_is_judged(said: dict[str, Any], mapped: Endpoint | None) -> None:
    changes: list[None] = []
    port = IgdPort(lambda: changes.append(None))
    port._take(said)
    assert port.mapped == mapped
    assert bool(port.problem) is (mapped is None)
    assert len(changes) == (mapped is not None)


async def test_it_is_held_and_given_back_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[str, int]] = []

    async def run(deed: str, _client: str, port: int) -> dict[str, Any]:
        ran.append((deed, port))
        return json.loads('{"address": "203.0.113.9", "port": 8450}') if deed == "add" else {}

    monkeypatch.setattr(igd_port, "_run", run)
    monkeypatch.setattr(igd_port.importlib.util, "find_spec", lambda _name: object())
    changed: list[None] = []
    port = IgdPort(lambda: changed.append(None))
    port.ask("10.1.0.2", 8443)
    port.ask("10.1.0.2", 8443)
    while not changed:
        await igd_port.asyncio.sleep(0)
    await port.close()
    assert ran == [("add", 8443), ("delete", 8450)]


def test_without_the_library_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(igd_port.importlib.util, "find_spec", lambda _name: None)
    port = IgdPort(lambda: None)
    port.ask("10.1.0.2", 8443)
    assert "miniupnpc is missing" in port.problem
