from __future__ import annotations

from typing import Any

from appliance.lab.definition import LabFile
from appliance.lab.layout import Layout, layout_of
from appliance.lab.loading import complaints


def laid_out(links: list[dict[str, Any]], routers: dict[str, Any] | None = None, **behind: Any) -> Layout:
    """Hosts are those behind something, and all others that are named on a wire and are no routers."""
    names = dict.fromkeys(name for link in links for name in link["hosts"] if name not in (routers or {}))
    hosts = {name: {"addresses": [f"10.9.0.{number}/24"], "behind": behind.get(name, [])} for number, name in enumerate(names, 1)}
    lab = LabFile.model_validate({"lab": 1, "name": "lab", "links": links, "routers": routers or {}, "hosts": hosts})
    assert list(complaints(lab)) == []
    return layout_of(lab)


def ends(layout: Layout) -> dict[str, list[str]]:
    return {
        wire.name: [f"{end.machine} {end.device} {' '.join(str(address.ip) for address in end.addresses)}" for end in wire.ends]
        for wire in layout.wires
    }


def routes(layout: Layout) -> dict[str, list[str]]:
    machines = dict.fromkeys(end.machine for wire in layout.wires for end in wire.ends)
    found = {name: [f"{route.prefix} {route.via} {route.device}" for route in layout.routes_of(name)] for name in machines}
    return {name: routes for name, routes in found.items() if routes}


WAN = {"name": "wan", "hosts": ["hub", "a"], "ipv4": "198.51.100.0/24"}


def test_a_host_behind_a_nat_gets_a_router_that_takes_its_place() -> None:
    layout = laid_out([WAN], a="symmetric")
    assert ends(layout) == {
        "wan-a": ["a-nat lan 172.16.1.1", "a wan 172.16.1.2"],
        "wan": ["hub wan 198.51.100.1", "a-nat wan 198.51.100.2"],
    }
    assert routes(layout) == {"a": ["0.0.0.0/0 172.16.1.1 wan"]}, "nobody has a route to what is translated"
    box = layout.box("a-nat")
    assert (box.outside, box.external, list(box.inside)) == ("wan", "198.51.100.2", ["172.16.1.2"])


def test_two_nats_are_two_routers_in_a_row_the_hosts_own_first() -> None:
    layout = laid_out([WAN], a=["port-restricted", "cgnat"])
    assert ends(layout) == {
        "wan-a": ["a-nat1 lan 172.16.1.1", "a wan 172.16.1.2"],
        "wan-a-nat1": ["a-nat2 lan 172.16.2.1", "a-nat1 wan 172.16.2.2"],
        "wan": ["hub wan 198.51.100.1", "a-nat2 wan 198.51.100.2"],
    }
    assert {name: router.nat for name, router in layout.routers.items()} == {"a-nat1": "port-restricted", "a-nat2": "cgnat"}
    assert routes(layout) == {"a": ["0.0.0.0/0 172.16.1.1 wan"], "a-nat1": ["0.0.0.0/0 172.16.2.1 wan"]}
    assert list(layout.box("a-nat2").inside) == ["172.16.2.2"]


def test_what_is_not_translated_is_routed_to() -> None:
    both = {**WAN, "ipv6": "2001:db8::/64"}
    assert routes(laid_out([both], a="firewall"))["hub"] == ["172.16.1.0/24 198.51.100.2 wan", "fd16:1::/64 2001:db8::2 wan"]
    assert routes(laid_out([both], a="symmetric"))["hub"] == ["fd16:1::/64 2001:db8::2 wan"], "IPv6 has no NAT"


def test_routers_of_the_file_join_its_wires() -> None:
    links = [
        {"name": "core", "hosts": ["isp", "hub"], "ipv4": "198.51.100.0/24"},
        {"name": "dsl", "hosts": ["isp", "home"], "ipv4": "203.0.113.0/24"},
        {"name": "lan", "hosts": ["home", "a", "b"], "ipv4": "192.168.0.0/24"},
    ]
    layout = laid_out(links, {"isp": {}, "home": {"nat": "cgnat", "outside": "dsl"}})
    assert routes(layout) == {
        "hub": ["0.0.0.0/0 198.51.100.1 core"],
        "home": ["0.0.0.0/0 203.0.113.1 dsl"],
        "a": ["0.0.0.0/0 192.168.0.1 lan"],
        "b": ["0.0.0.0/0 192.168.0.1 lan"],
    }
    assert list(layout.box("home").inside) == ["192.168.0.2", "192.168.0.3"]


def test_networks_behind_routers_behind_routers_are_found() -> None:
    links = [
        {"name": "core", "hosts": ["isp", "hub"], "ipv4": "198.51.100.0/24"},
        {"name": "campus", "hosts": ["hub", "gate"], "ipv4": "203.0.113.0/24"},
        {"name": "floor", "hosts": ["gate", "door"], "ipv4": "192.168.0.0/24"},
        {"name": "room", "hosts": ["door", "a"], "ipv4": "192.168.1.0/24"},
        {"name": "spare", "hosts": ["isp", "b"], "ipv4": "192.168.2.0/24"},
    ]
    routers = {"isp": {}, "gate": {"outside": "campus"}, "door": {"nat": "firewall", "outside": "floor"}}
    found = routes(laid_out(links, routers))
    assert found["hub"][:2] == ["192.168.0.0/24 203.0.113.2 campus", "192.168.1.0/24 203.0.113.2 campus"]
    assert found["gate"] == ["192.168.1.0/24 192.168.0.2 floor"]


def test_a_host_with_two_uplinks_takes_the_first_or_the_one_that_is_asked_for() -> None:
    links = [
        {"name": "wifi", "hosts": ["one", "a"], "ipv4": "192.168.0.0/24"},
        {"name": "lte", "hosts": ["two", "a"], "ipv4": "192.168.1.0/24"},
        {"name": "wan", "hosts": ["one", "two", "hub"], "ipv4": "198.51.100.0/24"},
    ]
    routers = {"one": {"nat": "port-restricted", "outside": "wan"}, "two": {"nat": "cgnat", "outside": "wan"}}
    layout = laid_out(links, routers)
    assert routes(layout)["a"] == ["0.0.0.0/0 192.168.0.1 wifi"]
    (asked,) = layout.routes_of("a", "lte")
    assert (asked.via, asked.device) == ("192.168.1.1", "lte")
