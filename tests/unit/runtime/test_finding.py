"""Where peers may be, as the node tells it, and who is called what."""

from __future__ import annotations

import ipaddress
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.api.values import Endpoint
from appliance.protocol.peer import Peer
from appliance.runtime.finding import NoSuchName, discovered, lookup
from appliance.runtime.peers.candidates import Place
from appliance.runtime.peers.table import Origin, PeerEntry, PeerTable
from appliance.runtime.plugins.routes import BadArguments
from tests.netns.profiles import IDENTITY, profile

NEAR, FAR = Endpoint("udp", "192.168.1.7", 8443), Endpoint("udp", "198.51.100.7", 8443)


def node(*entries: PeerEntry, session: str = "") -> Any:
    """With what the two functions look at."""
    peers = {entry.name: Peer(entry.settings) for entry in entries}
    sessions = [SimpleNamespace(peer=entries[0].name, endpoint=session)] if session else []
    return SimpleNamespace(
        driver=SimpleNamespace(node=SimpleNamespace(peers=peers)),
        figures=SimpleNamespace(sessions=lambda _now: sessions),
        discovery=SimpleNamespace(found=lambda: [Place("mdns", "laptop", NEAR, 7.0), Place("mdns", "gone", NEAR, 7.0)]),
        peers=SimpleNamespace(table=PeerTable(entries)),
        brought=SimpleNamespace(kind_of=lambda name: "file" if name == "brought" else ""),
        called="here",
    )


def peer(name: str, *endpoints: Endpoint, origin: Origin = Origin.PROFILE, address: str = "10.8.0.2/32") -> PeerEntry:
    return PeerEntry(name, f"{IDENTITY[:-1]}{name[0]}", endpoints, (ipaddress.ip_network(address),), origin=origin)


def test_each_place_is_told_with_who_said_so_and_whether_it_works() -> None:
    found = node(peer("laptop", FAR), session=str(NEAR))
    found.driver.node.peers["laptop"].failed(0.0, "timeout")
    assert discovered(found) == [
        {"kind": "mdns", "peer": "laptop", "endpoint": str(NEAR), "age_s": 7.0, "tried": None, "works": True},
        {"kind": "profile", "peer": "laptop", "endpoint": str(FAR), "age_s": None, "tried": "timeout", "works": False},
    ]


@pytest.mark.parametrize(("name", "kind"), [("member", "roster"), ("brought", "file")])
def test_where_members_are_was_told_by_others(name: str, kind: str) -> None:
    assert [place["kind"] for place in discovered(node(peer(name, FAR, origin=Origin.MEMBER)))] == [kind]


@pytest.mark.parametrize("name", ["Laptop", "LAPTOP.home.", "laptop"])
def test_a_name_is_found_as_people_write_it(name: str) -> None:
    named = profile().model_copy(update={"names": SimpleNamespace(label="home", host="auto", serve="host", servers=())})
    assert lookup(node(peer("Laptop")), named, {"name": name}) == {"name": "Laptop", "addresses": ["10.8.0.2"]}


def test_what_is_no_name_is_said() -> None:
    assert lookup(node(), profile(), {"name": "here"})["addresses"][0] == "10.8.0.1"
    with pytest.raises(NoSuchName):
        lookup(node(), profile(), {"name": "nobody"})
    for wrong in ({}, {"name": 5}, {"name": "here", "more": 1}):
        with pytest.raises(BadArguments):
            lookup(node(), profile(), wrong)
