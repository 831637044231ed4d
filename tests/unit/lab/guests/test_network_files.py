from __future__ import annotations

import ipaddress

from appliance.lab.guests import network_files
from appliance.lab.guests.network_files import Route

ADDRESSES = [ipaddress.ip_interface("192.0.2.1/24"), ipaddress.ip_interface("2001:db8::1/64")]


def test_a_card_is_known_by_its_slot_and_has_the_wires_mtu() -> None:
    text = network_files.link(0x10, "wan", 1400)
    assert text == "[Match]\nPath=*pci-0000:00:10.0\n[Link]\nName=wan\nMTUBytes=1400\n"
    assert "MTUBytes" not in network_files.link(0x03, "mgmt")


def test_a_wire_has_its_addresses_at_once_and_no_others() -> None:
    assert network_files.wire("wan", ADDRESSES).splitlines() == [
        *("[Match]", "Name=wan", "[Network]", "LinkLocalAddressing=no", "IPv6AcceptRA=no"),
        *("[Address]", "Address=192.0.2.1/24", "DuplicateAddressDetection=none"),
        *("[Address]", "Address=2001:db8::1/64", "DuplicateAddressDetection=none"),
    ]


def test_routes_go_through_routers() -> None:
    routes = [Route(ipaddress.ip_network("0.0.0.0/0"), "192.0.2.254"), Route(ipaddress.ip_network("::/0"), "2001:db8::fe")]
    assert network_files.wire("wan", [], routes).splitlines()[5:] == [
        *("[Route]", "Destination=0.0.0.0/0", "Gateway=192.0.2.254"),
        *("[Route]", "Destination=::/0", "Gateway=2001:db8::fe"),
    ]


def test_an_image_knows_mgmt_and_waits_for_all_cards() -> None:
    names = [line.removeprefix("Name=") for text in network_files.FIRST.values() for line in text.splitlines() if "Name=" in line]
    assert names == ["mgmt", "mgmt", *(f"card{number}" for number in range(network_files.MOST_CARDS))]
    slots = [text.split("0000:00:")[1][:2] for path, text in network_files.FIRST.items() if path.endswith(".link")]
    assert len(slots) == len(set(slots))
    assert set(slots) <= {f"{slot:02x}" for slot in range(3, 32)}, "a bus has 32 slots"
