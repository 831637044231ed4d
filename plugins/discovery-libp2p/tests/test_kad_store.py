"""What is kept for others: newer over older, near over far, and no more than there is room for."""

from __future__ import annotations

from contextlib import suppress

import pytest

from appliance_discovery_libp2p.kad import store as stores
from appliance_discovery_libp2p.kad.distance import point
from appliance_discovery_libp2p.kad.messages import Peer, Record
from appliance_discovery_libp2p.kad.store import MOST_PROVIDERS, PROVIDER_SECONDS, Judged, Store
from appliance_discovery_libp2p.wire.malformed import Malformed

OWN = b"own"


def judged(record: Record, now: float) -> Judged:
    """The value is when it was issued; it is in force for an hour."""
    if not record.value.isdigit():
        raise Malformed("record")
    return Judged(float(record.value), float(record.value) + 3600)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(stores, "MOST_VALUES", 8)
    monkeypatch.setattr(stores, "MOST_KEYS", 8)
    return Store(OWN, judged)


def test_a_newer_record_replaces_an_older_one_and_not_the_other_way(store: Store) -> None:
    store.put(Record(b"key", b"100"), 100)
    store.put(Record(b"key", b"200"), 200)
    with pytest.raises(Malformed, match="record old"):
        store.put(Record(b"key", b"150"), 200)
    assert store.get(b"key", 200) == Record(b"key", b"200")


def test_what_is_over_is_not_given_and_then_forgotten(store: Store) -> None:
    store.put(Record(b"key", b"100"), 100)
    assert store.get(b"key", 3700) is None
    store.expire(3700)
    assert store.values == 0


def test_one_that_is_not_good_is_not_kept(store: Store) -> None:
    with pytest.raises(Malformed):
        store.put(Record(b"key", b"bad"), 0)
    assert store.values == 0


def test_a_full_store_keeps_what_is_near(store: Store) -> None:
    keys = sorted((b"%d" % number for number in range(100)), key=lambda key: point(key) ^ point(OWN))
    refused = 0
    for key in keys[::-1]:
        store.put(Record(key, b"1"), 1)
    for key in keys[::-1][:50]:
        with pytest.raises(Malformed, match="store full"):
            store.put(Record(key, b"1"), 1)
        refused += 1
    assert (store.values, refused) == (8, 50)
    assert all(store.get(key, 1) for key in keys[:8])


def test_providers_are_few_for_one_key_and_for_their_time(store: Store) -> None:
    for number in range(MOST_PROVIDERS):
        store.add_provider(b"key", Peer(b"%d" % number), 0)
    with pytest.raises(Malformed):
        store.add_provider(b"key", Peer(b"late"), 0)
    store.add_provider(b"key", Peer(b"0"), 100)
    assert len(store.providers(b"key", 1)) == MOST_PROVIDERS
    assert store.providers(b"key", PROVIDER_SECONDS + 1) == (Peer(b"0"),)
    store.expire(PROVIDER_SECONDS + 1)
    assert store.provided == 1
    store.expire(PROVIDER_SECONDS + 100)
    assert store.provided == 0


def test_keys_with_providers_are_bounded(store: Store) -> None:
    for number in range(100):
        with suppress(Malformed):
            store.add_provider(b"%d" % number, Peer(b"somebody"), 0)
    assert store.provided == 8


def test_what_is_this_nodes_own_stays_however_many_nearer_ones_come(store: Store) -> None:
    names = sorted((b"%d" % number for number in range(100)), key=lambda key: point(key) ^ point(OWN))
    store.put_own(Record(names[-1], b"200"), 200)
    store.put_own(Record(names[-1], b"100"), 100)  # the clock was set back
    for number in range(MOST_PROVIDERS):
        store.add_provider(names[-1], Peer(b"%d" % number), 0)
    store.provide(names[-1], Peer(OWN), 0)
    for key in names[-2::-1]:
        store.put(Record(key, b"1"), 1)
        store.add_provider(key, Peer(b"somebody"), 0)
    assert store.get(names[-1], 1) == Record(names[-1], b"100")
    assert Peer(OWN) in store.providers(names[-1], 1)
    assert (store.values, store.provided) == (8, 8)
