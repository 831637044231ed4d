"""Who the peers of a running node are for a policy, and what is told of denials."""

from __future__ import annotations

import ipaddress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from appliance.policy.subjects import Directory, Party
from appliance.runtime.peers.table import Origin, PeerEntry
from appliance.runtime.policy.denials import MOST_COUNTED, MOST_NAMED, StreamDenials, packets
from appliance.runtime.policy.parties import parties

if TYPE_CHECKING:
    from appliance.members.certificate import Certificate

A, B, C = (f"llp1:{letter * 51}a" for letter in "abc")


def entry(name: str, identity: str, origin: Origin, *allowed: str) -> PeerEntry:
    return PeerEntry(name, identity, allowed=tuple(ipaddress.ip_network(text) for text in allowed), origin=origin)


def certificate(*addresses: str, tags: tuple[str, ...] = ()) -> Certificate:
    return cast("Certificate", SimpleNamespace(addresses=tuple(map(ipaddress.ip_address, addresses)), tags=tags))


def test_a_name_stands_for_the_peer_and_not_for_what_is_behind_it() -> None:
    [found] = parties([entry("office", A, Origin.PROFILE, "10.8.0.2/32", "10.9.0.0/24")])
    assert found == Party("office", (ipaddress.ip_address("10.8.0.2"),))


def test_a_member_has_the_addresses_and_tags_of_its_certificate() -> None:
    members = {A: certificate("10.8.0.2", tags=("guest",))}
    [found] = parties([entry("laptop", A, Origin.MEMBER, "10.8.0.2/32", "10.9.0.7/32")], members)
    assert found == Party("laptop", (ipaddress.ip_address("10.8.0.2"),), frozenset({"guest"}), member=True)


def test_who_was_brought_by_a_plugin_is_called_nothing() -> None:
    [found] = parties([entry("laptop", B, Origin.MEMBER, "10.8.0.2/32")], {A: certificate("10.8.0.2")})
    assert (found.name, found.member) == ("", False)


def test_a_peer_of_the_profile_may_be_a_member_too() -> None:
    [found] = parties([entry("desk", A, Origin.PROFILE, "10.8.0.2/32")], {A: certificate("10.8.0.9", tags=("admin",))})
    assert found == Party("desk", (ipaddress.ip_address("10.8.0.2"),), frozenset({"admin"}), member=True)


def test_denied_packets_are_told_by_who_sent_them() -> None:
    table: list[dict[str, Any]] = [
        {"counter": {"name": "denied_input", "packets": 5, "bytes": 500}},
        {"counter": {"name": "denied_forward", "packets": 2, "bytes": 200}},
        {"set": {"name": "denied_from_4", "elem": [{"elem": {"val": "10.8.0.2", "counter": {"packets": 4}}}, "10.8.0.3"]}},
        {"set": {"name": "denied_from_6", "elem": [{"elem": {"val": "fd00::2", "counter": {"packets": 3}}}]}},
        {"set": {"name": "name_laptop_4", "elem": ["10.8.0.2"]}},
    ]
    directory = Directory([Party("laptop", (ipaddress.ip_address("10.8.0.2"), ipaddress.ip_address("fd00::2")))])
    assert packets(table, directory) == {
        "packets": {"to this node": 5, "passed on": 2},
        "senders": [{"from": "laptop", "packets": 7}, {"from": "10.8.0.3", "packets": 0}],
    }


def test_who_asks_for_thousands_of_services_fills_no_memory() -> None:
    denials = StreamDenials()
    for number in range(MOST_COUNTED * 2):
        denials.note("laptop", f"service-{number}")
    shown = denials.shown()
    assert len(shown) == MOST_NAMED
    assert shown[0] == {"from": "others", "service": "others", "times": MOST_COUNTED}
