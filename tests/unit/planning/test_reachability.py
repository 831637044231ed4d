"""Which way packets leave, and whether the admin's session survives. Its namesake in tests/netns asks the kernel the same."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.api.planning import HostState
from appliance.planning.reachability import Connection, Way, cut_off, way


def route(destination: str, link: str | None = "eth0", **more: Any) -> dict[str, Any]:
    return {
        "destination": destination,
        "via": None,
        "link": link,
        "table": 254,
        "metric": 0,
        "type": "unicast",
        "protocol": 4,
        **more,
    }


def rule(priority: int, table: int, **more: Any) -> dict[str, Any]:
    return {"family": 4, "priority": priority, "table": table, "action": "lookup", **more}


MAIN = [rule(0, 255), rule(32766, 254)]
DEFAULT = route("0.0.0.0/0", via="192.0.2.1")


@pytest.mark.parametrize(
    ("routes", "rules", "expected"),
    [
        ([DEFAULT], [], Way("eth0", "192.0.2.1")),
        ([DEFAULT, route("10.0.0.0/8", "llp0")], [], Way("llp0", "")),
        ([route("10.0.0.0/8", "llp0", metric=5), route("10.0.0.0/8", "eth1", metric=1)], [], Way("eth1", "")),
        ([route("10.0.0.0/8", "llp0", table=100), DEFAULT], [*MAIN, rule(9, 100)], Way("llp0", "")),
        ([route("10.0.0.0/8", "llp0", table=100), DEFAULT], [*MAIN, rule(9, 100, fwmark=7)], Way("eth0", "192.0.2.1")),
        ([route("10.0.0.0/8", "llp0", table=100), DEFAULT], [*MAIN, rule(9, 100, to="10.1.0.0/16")], Way("llp0", "")),
        (
            [route("10.0.0.0/8", "llp0", table=100), DEFAULT],
            [*MAIN, rule(9, 100, **{"from": "10.9.0.0/16"})],
            Way("eth0", "192.0.2.1"),
        ),
        ([DEFAULT, route("10.0.0.0/8", None, type="blackhole")], [], Way("", "blackhole")),
        ([DEFAULT, route("10.0.0.0/8", None, type="throw", table=100)], [*MAIN, rule(9, 100)], Way("eth0", "192.0.2.1")),
        (
            [route("0.0.0.0/0", "llp0", table=100), DEFAULT],
            [*MAIN, rule(9, 100, suppress_prefixlength=0)],
            Way("eth0", "192.0.2.1"),
        ),
        (
            [route("0.0.0.0/0", None, type="blackhole", table=100), DEFAULT],
            [*MAIN, rule(9, 100, suppress_prefixlength=0)],
            Way("", "blackhole"),
        ),
        ([route("10.0.0.0/8", None, hops=[["eth0", "192.0.2.1"], ["eth1", None]])], [], Way("eth0, eth1", "192.0.2.1, ")),
        ([], [], Way("", "no route")),
    ],
)
def test_the_way_to_10_1_2_3(routes: list[dict[str, Any]], rules: list[dict[str, Any]], expected: Way) -> None:
    assert way(HostState(routes=routes, rules=rules), "10.1.2.3") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("203.0.113.9 50000 192.0.2.10 22", Connection("203.0.113.9", "192.0.2.10")),
        ("fe80::1%eth0 50000 fe80::2%eth0 22", Connection("fe80::1", "fe80::2")),
        ("203.0.113.9", Connection("203.0.113.9", "")),
        ("a terminal", None),
        ("1 2 3", None),
    ],
)
def test_ssh_connection(text: str, expected: Connection | None) -> None:
    assert Connection.parse(text) == expected


def test_a_session_over_the_overlay_ends_with_its_address() -> None:
    address = {"link": "llp0", "address": "10.8.0.1/24", "scope": "global"}
    before = HostState(routes=[route("10.8.0.0/24", "llp0")], addresses=[address])
    after = HostState(routes=before.routes, addresses=[{**address, "address": "10.8.0.3/24"}])

    assert "lose the address 10.8.0.1" in cut_off(before, after, Connection("10.8.0.2", "10.8.0.1"))
    assert cut_off(before, after, Connection("10.8.0.2")) == ""
