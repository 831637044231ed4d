"""The record that says where a node is: who can read it, who can make it, and for how long."""

from __future__ import annotations

import pytest

from appliance.api.values import Endpoint
from appliance_discovery_libp2p import place
from appliance_discovery_libp2p.kad.messages import Record
from appliance_discovery_libp2p.wire.keys import OwnKey
from appliance_discovery_libp2p.wire.malformed import Malformed

OWN, LIAR = OwnKey(bytes(32)), OwnKey(bytes([1]) * 32)
IDENTITY = "llp1:" + "a" * 52
NOW = 1_800_000_000.0
HERE = (Endpoint("udp", "198.51.100.7", 8443), Endpoint.parse("relay://llp1:" + "c" * 52))


def record(endpoints: tuple[Endpoint, ...] = HERE, own: OwnKey = OWN) -> Record:
    return place.made(own, IDENTITY, endpoints, NOW, bytes(range(32)))


def test_who_knows_the_identity_reads_where_the_node_is() -> None:
    assert place.opened(record(), IDENTITY, NOW) == place.Found(HERE, NOW)
    assert place.judge(record(), NOW).expires == NOW + place.FORCE_SECONDS


def test_who_keeps_it_learns_neither_identity_nor_endpoints() -> None:
    written = record()
    for word in (IDENTITY.encode(), b"198.51.100.7", b"8443", b"udp"):
        assert word not in written.key + written.value


def test_another_identity_opens_nothing() -> None:
    with pytest.raises(Malformed):
        place.opened(record(), "llp1:" + "b" * 52, NOW)


@pytest.mark.parametrize("index", range(0, 300, 7))
def test_whatever_is_changed_it_is_refused(index: int) -> None:
    good = record()
    value = bytearray(good.value)
    value[index % len(value)] ^= 1
    with pytest.raises(Malformed):
        place.judge(good._replace(value=bytes(value)), NOW)


def test_nobody_writes_under_the_name_of_another_peer() -> None:
    theirs = record(own=LIAR)
    with pytest.raises(Malformed):
        place.judge(Record(record().key, theirs.value), NOW)


def test_it_is_in_force_for_a_day_and_not_before() -> None:
    for now in (NOW - place.SKEW_SECONDS, NOW + place.FORCE_SECONDS - 1):
        place.judge(record(), now)
    for now in (NOW - place.SKEW_SECONDS - 2, NOW + place.FORCE_SECONDS):
        with pytest.raises(Malformed, match="record old"):
            place.judge(record(), now)


def test_one_that_would_never_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "FORCE_SECONDS", place.MOST_FORCE_SECONDS + 1)
    with pytest.raises(Malformed):
        place.judge(record(), NOW)


def test_places_of_this_host_and_names_are_not_called() -> None:
    told = (*HERE, Endpoint("udp", "127.0.0.1", 8443), Endpoint("udp", "vpn.example", 8443), Endpoint("udp", "0.0.0.0", 1))
    assert place.opened(record(told), IDENTITY, NOW).endpoints == HERE


@pytest.mark.parametrize(
    "bad",
    [
        Record(b"/pk/x", b""),
        Record(b"/llp/x", b""),
        Record(b"/llp/x/y", bytes(3000)),
        Record(b"/llp/" + b"\xff" * 64 + b"/x", b"\x0a\x00"),
    ],
)
def test_what_is_none_is_refused(bad: Record) -> None:
    with pytest.raises(Malformed):
        place.judge(bad, NOW)
    with pytest.raises(Malformed):
        place.opened(bad, IDENTITY, NOW)
