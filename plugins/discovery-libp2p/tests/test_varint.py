"""Varints and what stands behind them."""

from __future__ import annotations

import pytest

from appliance_discovery_libp2p.wire.malformed import Malformed
from appliance_discovery_libp2p.wire.varint import decode, encode, framed, unframed


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 16383, 16384, 2**63 - 1])
def test_a_number_comes_back(number: int) -> None:
    assert decode(encode(number) + b"rest") == (number, len(encode(number)))


def test_one_that_is_cut_off_waits_for_the_rest() -> None:
    assert decode(b"") is None
    assert decode(b"\x80\x80") is None
    assert unframed(bytearray(b"\x05abc"), 5) is None


@pytest.mark.parametrize("written", [b"\x80" * 9 + b"\x01", b"\x80\x00", b"\xff" * 20])
def test_one_that_is_too_long_is_refused(written: bytes) -> None:
    with pytest.raises(Malformed):
        decode(written)


def test_messages_are_taken_one_by_one_and_none_that_is_too_long() -> None:
    data = bytearray(framed(b"one") + framed(b"") + framed(b"three"))
    assert [unframed(data, 5), unframed(data, 5)] == [b"one", b""]
    with pytest.raises(Malformed):
        unframed(data, 4)
