"""Peers that discovery brings: only where the profile lets it, and never in place of another."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
from typing import Any

import pytest

from appliance.api.discovery import BroughtPeer
from appliance.api.profile import PeersFrom
from appliance.api.values import Endpoint
from appliance.runtime.peers.sources import Brought
from appliance.runtime.peers.table import Origin, PeerEntry, PeerTable

net = ipaddress.ip_network
OWN = (ipaddress.ip_address("10.8.0.1"),)
MESH = {"mesh": PeersFrom(allowed=("10.9.0.0/16",), most=3)}  # type: ignore[arg-type]


def identity(number: int) -> str:
    return "llp1:" + base64.b32encode(bytes([number]) * 32).decode().rstrip("=").lower()


def peer(name: str, prefix: str = "", number: int = 0) -> BroughtPeer:
    number = number or sum(name.encode()) % 250 + 1
    return BroughtPeer(name, identity(number), (net(prefix or f"10.9.{number}.0/24"),), (Endpoint("udp", "192.0.2.1", number),))


class Keeper:
    """The table, and what was done to it."""

    def __init__(self) -> None:
        hub = PeerEntry("hub", identity(255), (), (net("10.8.0.2/32"),))
        self.table = PeerTable([hub], OWN)
        self.done: list[str] = []

    def add_peer(self, entry: PeerEntry) -> None:
        self.table.add(entry)
        self.done.append(f"add {entry.name}")

    def change_peer(self, entry: PeerEntry) -> None:
        self.table.change(entry)
        self.done.append(f"change {entry.name}")

    def drop_peer(self, name: str) -> None:
        self.table.drop(name)
        self.done.append(f"drop {name}")

    def members(self) -> list[str]:
        return [entry.name for entry in self.table if entry.origin is Origin.MEMBER]


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


@pytest.fixture
async def brought(keeper: Keeper) -> Brought:
    made = Brought(keeper)
    await made.use(MESH)
    return made


async def test_without_the_profiles_word_nobody_is_taken(keeper: Keeper) -> None:
    brought = Brought(keeper)
    await brought.take("mesh", [peer("a")])
    assert (keeper.members(), brought.refused) == ([], {"not-allowed": 1})
    await brought.use(MESH)
    assert keeper.members() == ["a"], "what was brought before is judged anew"
    await brought.use({})
    assert keeper.members() == [], "and taken away again"


async def test_a_list_is_the_whole_truth_and_only_differences_are_done(keeper: Keeper, brought: Brought) -> None:
    await brought.take("mesh", [peer("a"), peer("b")])
    await brought.take("mesh", [peer("a"), peer("b")])
    await brought.take("mesh", [peer("a")._replace(endpoints=()), peer("c")])
    assert keeper.done == ["add a", "add b", "drop b", "change a", "add c"]
    await brought.drop("mesh")
    assert keeper.members() == []
    assert brought.stats() == {}


@pytest.mark.parametrize(
    ("prefix", "reason"),
    [("10.10.0.0/24", "outside"), ("10.8.0.0/15", "outside"), ("0.0.0.0/0", "outside"), ("fd00::/64", "outside")],
)
async def test_prefixes_lie_inside_of_those_of_the_profile(keeper: Keeper, brought: Brought, prefix: str, reason: str) -> None:
    await brought.take("mesh", [peer("a", prefix), peer("b")])
    assert keeper.members() == ["b"]
    assert brought.refused == {reason: 1}


async def test_one_without_prefixes_has_no_use(keeper: Keeper, brought: Brought) -> None:
    await brought.take("mesh", [peer("a")._replace(allowed=())])
    assert (keeper.members(), brought.refused) == ([], {"outside": 1})


@pytest.mark.parametrize("wrong", [{"name": 3}, {"identity": None}, {"allowed": ("10.9.0.0/24",)}, {"endpoints": ("udp://h:1",)}])
async def test_what_is_no_peer_changes_nothing(keeper: Keeper, brought: Brought, wrong: dict[str, Any]) -> None:
    await brought.take("mesh", [peer("a")])
    with pytest.raises(TypeError):
        await brought.take("mesh", [peer("b")._replace(**wrong)])
    await brought.use(MESH)
    assert keeper.members() == ["a"]


async def test_no_more_than_the_profile_says(keeper: Keeper, brought: Brought) -> None:
    await brought.take("mesh", [peer(name) for name in "abcde"])
    assert keeper.members() == ["a", "b", "c"]
    assert brought.refused == {"too-many": 2}
    assert brought.stats() == {"from mesh": 3, "refused too-many": 2}


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (peer("hub", number=7), "name-taken"),
        (peer("a", number=255, prefix="10.9.7.0/24"), "identity-taken"),
        (peer("not a name"), "malformed"),
        (peer("a")._replace(identity="llp1:short"), "malformed"),
    ],
)
async def test_nobody_takes_a_place_of_the_profiles_peers(keeper: Keeper, brought: Brought, wanted: Any, reason: str) -> None:
    await brought.take("mesh", [wanted, peer("z")])
    assert keeper.members() == ["z"]
    assert brought.refused == {reason: 1}
    assert keeper.table.get("hub") == PeerEntry("hub", identity(255), (), (net("10.8.0.2/32"),))


async def test_what_overlaps_another_peers_prefix_is_refused(keeper: Keeper) -> None:
    brought = Brought(keeper)
    await brought.use({"mesh": PeersFrom(allowed=("0.0.0.0/0",))})  # type: ignore[arg-type]
    for prefix, reason in (("10.8.0.0/24", "own-address"), ("10.8.0.2/32", "prefix-taken"), ("127.0.0.0/8", "nobodys-prefix")):
        await brought.take("mesh", [peer("a", prefix)])
        assert (keeper.members(), dict(brought.refused)) == ([], {reason: 1}), prefix
        brought.refused.clear()


async def test_one_kind_touches_nobody_that_another_one_brought(keeper: Keeper) -> None:
    brought = Brought(keeper)
    await brought.use(dict.fromkeys(("mesh", "lan"), MESH["mesh"]))
    await brought.take("mesh", [peer("a")])
    await brought.take("lan", [peer("a", "10.9.99.0/24", number=99)])
    assert brought.refused == {"name-taken": 1}
    await brought.take("lan", [])
    assert keeper.members() == ["a"]
    assert keeper.done == ["add a"]


async def test_a_peer_that_made_room_for_the_profile_comes_back_when_there_is_room(keeper: Keeper, brought: Brought) -> None:
    await brought.take("mesh", [peer("a")])
    rival = PeerEntry("other", identity(254), (), peer("a").allowed)
    keeper.table.use_profile([rival], OWN)
    await brought.use(MESH)
    assert (keeper.members(), brought.refused) == ([], {"prefix-taken": 1})
    keeper.table.use_profile([], OWN)
    await brought.use(MESH)
    assert keeper.members() == ["a"]


async def test_a_long_list_does_not_hold_the_loop(keeper: Keeper) -> None:
    brought, turns = Brought(keeper), 0
    await brought.use({"mesh": PeersFrom(allowed=("10.64.0.0/10",), most=65536)})  # type: ignore[arg-type]
    peers = [_numbered(number) for number in range(1, 3000)]
    taking = asyncio.create_task(brought.take("mesh", peers))
    while not taking.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert len(keeper.members()) == 2999
    assert turns > 3, "others had their turn"


async def test_a_list_that_is_broken_off_leaves_what_was_done_and_the_next_one_goes_on(keeper: Keeper) -> None:
    brought = Brought(keeper)
    await brought.use({"mesh": PeersFrom(allowed=("10.64.0.0/10",), most=65536)})  # type: ignore[arg-type]
    peers = [_numbered(number) for number in range(1, 3000)]
    taking = asyncio.create_task(brought.take("mesh", peers))
    while not keeper.members():  # noqa: ASYNC110  the table calls nobody
        await asyncio.sleep(0)
    taking.cancel()
    await asyncio.wait([taking])
    assert 0 < len(keeper.members()) < 2999
    await brought.take("mesh", peers[:10])
    assert keeper.members() == [peer.name for peer in peers[:10]]


def _numbered(number: int) -> BroughtPeer:
    text = base64.b32encode(number.to_bytes(32, "big")).decode().rstrip("=").lower()
    return BroughtPeer(f"p{number}", f"llp1:{text}", (net(f"10.64.{number >> 8}.{number & 255}/32"),))
