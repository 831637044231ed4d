"""What a profile wants of a host."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.api.planning import HostState
from appliance.planning.desired import Desired, desired, forwarded_versions
from appliance.planning.ledger import Ledger
from appliance.planning.own import gso_max_size
from tests.netns.profiles import profile


def wanted(peers: list[dict[str, Any]] | None = None, host: HostState | None = None, **network: Any) -> Desired:
    return desired(profile(peers, **network), host or HostState(tools={"nft": "/usr/sbin/nft"}), Ledger())


def destinations(result: Desired) -> list[str]:
    return [route["destination"] for route in result.routes]


def test_prefixes_of_peers_become_routes_unless_the_interface_has_them() -> None:
    result = wanted([{"allowed": ["10.8.0.2/32", "10.9.0.0/16", "fd00:8::2/128", "fd00:9::/64", "10.0.0.0/8"]}])
    assert destinations(result) == ["10.9.0.0/16", "fd00:9::/64", "10.0.0.0/8"]
    assert {(route["protocol"], route["link"], route["table"]) for route in result.routes} == {(76, "llp0", 254)}


def test_a_written_route_goes_before_one_of_a_peer() -> None:
    result = wanted([{"allowed": ["10.9.0.0/16"]}], routes=[{"to": "10.9.0.0/16", "via": "10.8.0.7"}])
    assert [(route["destination"], route["via"]) for route in result.routes] == [("10.9.0.0/16", "10.8.0.7")]


def test_the_interfaces_own_network_needs_no_route() -> None:
    assert destinations(wanted(routes=[{"to": "10.8.0.0/24"}])) == []
    assert destinations(wanted(routes=[{"to": "10.8.0.0/24", "table": 100}])) == ["10.8.0.0/24"]


def test_everything_is_not_routed_by_itself() -> None:
    result = wanted([{"allowed": ["0.0.0.0/0", "::/0"]}])
    assert destinations(result) == []
    assert len(result.warnings) == 2


def test_ipv6_behind_a_small_mtu_is_left_out_with_a_warning() -> None:
    result = wanted([{"allowed": ["fd00:9::/64"]}], addresses=["10.8.0.1/24"], mtu=1279)
    assert destinations(result) == []
    assert "1280" in result.warnings[0]


@pytest.mark.parametrize(
    ("network", "versions"),
    [
        ({}, set()),
        ({"forward": True}, set()),
        ({"forward": True, "routes": [{"to": "10.9.0.0/16"}]}, {4}),
        ({"masquerade": ["10.8.0.0/24", "fd00:8::/64"]}, {4, 6}),
    ],
)
def test_the_kernel_forwards_only_what_needs_it(network: dict[str, Any], versions: set[int]) -> None:
    assert forwarded_versions(profile(**network)) == versions


def test_a_rule_without_addresses_is_one_for_each_version() -> None:
    result = wanted(rules=[{"fwmark": 7, "table": 100, "priority": 5}, {"to": "fd00::/16", "table": 100, "priority": 6}])
    assert [(rule["family"], rule["priority"]) for rule in result.rules] == [(4, 5), (6, 5), (6, 6)]


def test_a_host_that_forwards_already_gets_its_mss_clamped() -> None:
    host = HostState(sysctls={"net.ipv4.ip_forward": "1"}, tools={"nft": "/usr/sbin/nft"})
    assert wanted().table is None
    assert wanted(host=host).table is not None
    assert wanted(host=host, clamp_mss=False).table is None


@pytest.mark.parametrize(("datagram", "expected"), [(1400, 63000), (1472, 63000), (548, 33456)])
def test_a_super_packet_fits_one_send(datagram: int, expected: int) -> None:
    assert gso_max_size(datagram) == expected
    assert (expected + 80) / (datagram - 24) <= min(64, 65507 // datagram)
