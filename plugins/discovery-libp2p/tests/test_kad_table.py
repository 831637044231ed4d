"""Whom a node would ask, and how little one owner of many names can do about it."""

from __future__ import annotations

from appliance_discovery_libp2p.kad.distance import point
from appliance_discovery_libp2p.kad.messages import Peer
from appliance_discovery_libp2p.kad.table import MOST_OF_ONE, MOST_OF_ONE_IN_BUCKET, K, Table
from appliance_discovery_libp2p.wire.keys import OwnKey
from appliance_discovery_libp2p.wire.multiaddr import Multiaddr

OWN = OwnKey(bytes(32)).peer


def peer(number: int, host: str | None = None) -> Peer:
    return Peer(OwnKey(number.to_bytes(32, "big")).peer, (Multiaddr(host or f"11.{number // 250}.{number % 250}.1", 4001),))


def test_the_nearest_come_first() -> None:
    table, peers = Table(OWN), [peer(number) for number in range(1, 60)]
    taken = [one for one in peers if table.add(one)]
    target = point(b"anything")
    assert table.closest(target, 5) == sorted(taken, key=lambda one: point(one.id) ^ target)[:5]
    assert len(table) == len(taken)


def test_a_full_bucket_takes_nobody_new_until_somebody_leaves() -> None:
    table, far = Table(OWN), [one for one in map(peer, range(1, 120)) if (point(one.id) ^ point(OWN)).bit_length() == 256]
    assert [table.add(one) for one in far[: K + 1]] == [True] * K + [False]
    assert table.add(far[0])  # again, perhaps with another address
    table.remove(far[0].id)
    assert table.add(far[K])
    assert table.find(far[0].id) is None


def test_one_network_has_few_places_however_many_names_it_has() -> None:
    table = Table(OWN)
    taken = [one for one in (peer(number, f"11.0.0.{number % 250 + 1}") for number in range(1, 400)) if table.add(one)]
    assert len(taken) <= MOST_OF_ONE
    far = [one for one in taken if (point(one.id) ^ point(OWN)).bit_length() == 256]
    assert len(far) == MOST_OF_ONE_IN_BUCKET
    for one in taken:
        table.remove(one.id)
    assert table.add(peer(500, "11.0.0.9"))


def test_this_node_and_who_cannot_be_called_are_not_in_it() -> None:
    table = Table(OWN)
    assert not table.add(Peer(OWN, (Multiaddr("11.0.0.1", 1),)))
    assert not table.add(Peer(peer(1).id))
    table.remove(OWN)
    assert len(table) == 0
