from __future__ import annotations

from dataclasses import dataclass

import pytest

from appliance.api.values import Endpoint
from appliance.members.row import EndpointKind, Reachable, Row, RowRefused, Service, ed25519_good, judge_signature
from appliance.runtime.knowledge.place_record import MOST_ENDPOINTS, MOST_RELAYS, key_of, member_of, place_of, read_place

NETWORK, MEMBER = b"\1" * 32, b"\2" * 32
RELAYS = tuple(bytes([number]) * 32 for number in range(8))


def at(number: int, age: int = 0) -> Reachable:
    return Reachable(EndpointKind.LOCAL, age, Endpoint("udp", f"198.51.100.{number}", 8443))


def row(*endpoints: Reachable, **more: object) -> Row:
    return Row(NETWORK, MEMBER, 7, 99, 3, endpoints, **more)  # type: ignore[arg-type]


def test_places_are_read_as_they_were_put_and_nothing_else() -> None:
    put = place_of(row(at(1, age=70), at(2), relays=RELAYS, services=(Service("web", "x"),)), 1024)
    read = read_place(put, NETWORK, MEMBER)
    assert read == Row(NETWORK, MEMBER, 0, 0, 0, (at(1), at(2)), RELAYS[:MOST_RELAYS])


def test_they_are_the_same_as_long_as_the_places_are() -> None:
    later = Row(NETWORK, MEMBER, 8, 500, 200, (at(1, age=3),), services=(Service("web", "y"),))
    assert place_of(row(at(1, age=70)), 1024) == place_of(later, 1024)


@pytest.mark.parametrize("most", [1024, 500, 300])
def test_what_does_not_fit_is_left_out_from_the_end(most: int) -> None:
    long = [Reachable(EndpointKind.LOCAL, 0, Endpoint("udp", f"2001:db8::{number:x}:1234:5678", 8443)) for number in range(1, 17)]
    put = place_of(row(*long, relays=RELAYS), most)
    read = read_place(put, NETWORK, MEMBER)
    assert read is not None
    assert 0 < len(put) <= most
    assert read.endpoints == tuple(long[: len(read.endpoints)])
    assert len(read.endpoints) <= MOST_ENDPOINTS
    assert read.endpoints or read.relays


@dataclass(frozen=True)
class Nowhere:
    row: Row


@pytest.mark.parametrize(
    "nowhere", [Nowhere(row()), Nowhere(row(at(1), leaving=True)), Nowhere(row(services=(Service("a", "b"),)))]
)
def test_who_is_nowhere_puts_nothing(nowhere: Nowhere) -> None:
    assert place_of(nowhere.row, 1024) == b""


@pytest.mark.parametrize("value", [b"", b"\0" * 200, place_of(row(at(1)), 1024)[:-1], b"x" * 5000])
def test_what_is_no_place_is_none(value: bytes) -> None:
    assert read_place(value, NETWORK, MEMBER) is None


def test_a_place_of_somebody_else_or_of_another_network_is_none() -> None:
    put = place_of(row(at(1)), 1024)
    assert read_place(put, NETWORK, NETWORK) is None
    assert read_place(put, MEMBER, MEMBER) is None


def test_it_is_no_row_of_the_roster() -> None:
    with pytest.raises(RowRefused):
        judge_signature(place_of(row(at(1)), 1024), b"\3" * 32, ed25519_good)


def test_its_key_is_no_key_of_a_program() -> None:
    assert member_of(key_of(MEMBER)) == MEMBER
    assert member_of(b"menu") is None
    assert member_of(key_of(MEMBER)[:-1]) is None
    assert not key_of(b"a" * 32).decode().isprintable()
