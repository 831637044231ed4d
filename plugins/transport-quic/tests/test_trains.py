from __future__ import annotations

import random

import pytest

from appliance_transport_quic.trains import DATAGRAM, address, datagrams, trains, with_address

LLP = b"L1" + bytes(22)


def through(queue: list[bytes]) -> list[bytes]:
    return [one for train in trains(queue) for one in datagrams(b"".join(train))]


def test_datagrams_keep_their_borders_and_their_order() -> None:
    source = random.Random(7)
    sizes = [source.choice((24, 25, 600, DATAGRAM)) for _ in range(300)]
    queue = [b"L1" + source.randbytes(size - 2) for size in sizes]
    assert through(queue) == queue
    assert through([*queue[:1], bytes(100)]) == [*queue[:1], bytes(100)], "what is no LLP passes, too: the worker judges it"


def test_a_row_of_equal_ones_is_one_message_and_each_fits_into_the_pair() -> None:
    queue = [LLP.ljust(DATAGRAM)] * 50 + [LLP]
    assert len(list(trains(queue))) == 1
    assert max(sum(map(len, train)) for train in trains([LLP.ljust(DATAGRAM)] * 500)) < 65536


@pytest.mark.parametrize("message", [b"", b"L", b"L1".ljust(DATAGRAM + 1), b"\x00\x05hello", b"\xff\xff", b"\x04\x7f" + LLP])
def test_what_no_worker_sends_is_nothing(message: bytes) -> None:
    assert datagrams(message) == []


def test_an_address_stands_before_a_listeners_message() -> None:
    for source in (("192.0.2.1", 1), ("2001:db8::1", 65535), ("fe80::1%3", 443), ("", 0)):
        before = with_address(source)
        assert address(memoryview(before + LLP)) == (source, len(before))


@pytest.mark.parametrize("message", [b"", b"\xff\xff", LLP, b"\xff\xff\x09short", b"\xff\xff\x02\xe9\xff\x00\x01"])
def test_what_begins_with_no_address_is_told(message: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        address(memoryview(message))
