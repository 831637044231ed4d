"""What the kernel reports, from a real kernel: what may matter is heard with who did it, the rest is not."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator

import pytest

from appliance.linux import glance
from appliance.linux.address_dump import addresses
from appliance.linux.events import HostEvents
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns


@pytest.fixture
def events(namespace: Throwaway) -> Iterator[HostEvents]:
    namespace.sh(
        "ip link add one type veth peer name two; ip addr add 192.0.2.1/24 dev one; ip link set one up; ip link set two up"
    )
    namespace.sh("nft add table inet appliance; nft add table inet other")
    heard: HostEvents = namespace.run(HostEvents, ["appliance"])
    yield heard
    heard.close()


def heard(events: HostEvents) -> bool:
    """Is there news within a moment? What was there before is taken along."""
    found = False
    while select.select(events.filenos(), [], [], 0.2)[0]:
        found = events.changed() or found
    return found


@pytest.mark.parametrize(
    "change",
    [
        "ip link set one mtu 1400",
        "ip addr add 192.0.2.9/24 dev one",
        "ip route add 10.1.0.0/16 dev one",
        "ip -6 route add fd11::/64 dev one",
        "ip rule add to 10.2.0.0/16 table 100",
        "ip -6 rule add to fd11::/64 table 100",
        "sysctl -qw net.ipv4.ip_forward=1",
        "nft add chain inet appliance c",
        "nft flush ruleset",
    ],
)
def test_what_may_matter_is_heard(namespace: Throwaway, events: HostEvents, change: str) -> None:
    heard(events)
    namespace.sh(change)
    assert heard(events), change


@pytest.mark.parametrize(
    "change",
    [
        "ip route add 10.1.0.0/16 dev one proto bird",
        "nft add chain inet other c",
        "ip neigh add 192.0.2.7 dev one lladdr 02:00:00:00:00:07",
    ],
)
def test_what_never_matters_is_not(namespace: Throwaway, events: HostEvents, change: str) -> None:
    heard(events)
    namespace.sh(change)
    assert not heard(events), change


def test_who_did_it_is_named(namespace: Throwaway, events: HostEvents) -> None:
    heard(events)
    namespace.sh("nft delete table inet appliance")
    assert heard(events)
    assert events.author.startswith("nft (pid ")


FLOOD = (
    "(for a in $(seq 1 200); do for b in $(seq 1 40); do echo route add 10.$a.$b.0/24 dev one proto bird; done; done)"
    "| ip -batch -"
)


def test_reports_that_were_lost_are_news(namespace: Throwaway, events: HostEvents) -> None:
    routes = "; ".join(f"ip route add 10.{number}.0.0/16 dev one proto bird" for number in range(3))
    heard(events)
    namespace.sh(f"{routes}; {FLOOD}")
    assert heard(events), "more was reported than fits"


@pytest.mark.parametrize(
    ("change", "times"),
    [
        ("ip addr add 192.0.2.9/24 dev one", 1),
        ("ip -6 addr add fd11::9/64 dev one", 1),
        ("ip addr del 192.0.2.1/24 dev one", 1),
        (FLOOD, 1),
        ("ip link set one down", 1),
        ("ip route add 10.1.0.0/16 dev one", 0),
    ],
)
def test_addresses_that_come_or_go_are_told_besides(namespace: Throwaway, change: str, times: int) -> None:
    namespace.sh("ip link add one type veth peer name two; ip link set one addrgenmode none; ip link set one up")
    namespace.sh("ip link set two addrgenmode none")  # else it is told, a second or two later, that its address is unique
    namespace.sh("ip addr add 192.0.2.1/24 dev one; ip link set two up")
    told: list[None] = []
    events: HostEvents = namespace.run(HostEvents, ["appliance"], "one", lambda: told.append(None))
    try:
        heard(events)
        told.clear()
        namespace.sh(change)
        heard(events)
        assert min(len(told), 1) == times
    finally:
        events.close()


def test_addresses_are_those_of_all_interfaces_or_of_one(namespace: Throwaway) -> None:
    namespace.sh("ip link add one type veth peer name two; ip -6 addr add fd11::1/64 dev two nodad")
    namespace.sh("ip addr add 192.0.2.1/24 dev one; ip addr add 198.51.100.1 peer 198.51.100.2/32 dev two")
    found = [(entry["link"], entry["address"], entry["scope"]) for entry in namespace.run(addresses)]
    of_two = [("two", "198.51.100.1/32", "global"), ("two", "fd11::1/64", "global")]
    assert sorted(found) == [
        ("lo", "127.0.0.1/8", "host"),
        ("lo", "::1/128", "host"),
        ("one", "192.0.2.1/24", "global"),
        *of_two,
    ]
    number = namespace.run(socket.if_nametoindex, "two")
    assert [(entry["link"], entry["address"], entry["scope"]) for entry in namespace.run(addresses, number)] == of_two


def test_an_interface_at_a_glance(namespace: Throwaway) -> None:
    assert namespace.run(glance.look, "one") == glance.Interface()
    namespace.sh("ip link add one type veth peer name two; ip link set one mtu 1399; ip -6 addr add fd11::1/64 dev one nodad")
    namespace.sh("ip addr add 192.0.2.1/24 dev one; ip addr add 198.51.100.1 peer 198.51.100.2/32 dev one")
    namespace.sh("ip addr add 192.0.2.2/24 dev two")
    found = namespace.run(glance.look, "one")
    assert found == glance.Interface(there=True, up=False, mtu=1399, addresses=("192.0.2.1/24", "198.51.100.1/32", "fd11::1/64"))
    namespace.sh("ip link set one up")
    assert namespace.run(glance.look, "one").up


def test_rules_of_others_are_heard_apart(namespace: Throwaway, events: HostEvents) -> None:
    heard(events)
    events.firewalls_changed()
    namespace.sh("nft add set inet other s '{ type ipv4_addr; }'; nft add element inet other s '{ 192.0.2.7 }'")
    assert not heard(events)
    assert not events.firewalls_changed(), "what sets hold is no rule"
    namespace.sh("nft add chain inet other c")
    assert not heard(events)
    assert events.firewalls_changed()
    assert not events.firewalls_changed(), "it was told"
