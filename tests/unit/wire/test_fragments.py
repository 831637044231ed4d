from __future__ import annotations

from random import Random

import pytest

from appliance.errors import LocalFault, PeerFault
from appliance.wire.envelope import FLAG_FRAGMENT, HEADER_BYTES, PacketType, pack, unpack
from appliance.wire.fragments import ENTRY_OVERHEAD_BYTES, MAX_MESSAGE_BYTES, Joined, Reassembly, split

INIT = PacketType.HANDSHAKE_INIT


def pieces_of(body: bytes, datagram_bytes: int = 1400, number: int = 7) -> list[bytes]:
    return split(INIT, 0, 0, number, 0, body, datagram_bytes)


def add(reassembly: Reassembly, packet: bytes, now: float = 0.0, key: object = "key") -> Joined | None:
    fields = unpack(packet)
    assert fields is not None
    return reassembly.add(key, fields, packet[HEADER_BYTES:], now)


def test_a_message_that_fits_is_not_cut() -> None:
    (packet,) = pieces_of(bytes(1376))
    assert len(packet) == 1400
    assert not unpack(packet)[2] & FLAG_FRAGMENT  # type: ignore[index]


@pytest.mark.parametrize("datagram_bytes", [548, 1208, 1400, 1472])
@pytest.mark.parametrize("seed", range(5))
def test_pieces_in_any_order_and_repeated_make_the_message(datagram_bytes: int, seed: int) -> None:
    random = Random(seed)
    body = random.randbytes(random.randrange(datagram_bytes, MAX_MESSAGE_BYTES))
    packets = pieces_of(body, datagram_bytes)
    assert all(len(packet) <= datagram_bytes for packet in packets)
    shuffled = random.sample(packets, len(packets))
    reassembly = Reassembly(1 << 20, 5.0)
    assert [add(reassembly, packet) for packet in shuffled[:-1] + shuffled[:1]] == [None] * len(packets)
    joined = add(reassembly, shuffled[-1])
    assert joined is not None
    assert joined.body == body
    assert joined.wire_bytes == sum(map(len, packets)) + len(shuffled[0])
    assert (len(reassembly), reassembly.held_bytes) == (0, 0)


def test_a_message_too_long_for_its_datagrams_is_our_own_fault() -> None:
    with pytest.raises(LocalFault):
        pieces_of(bytes(5000), 100)


def test_memory_is_bounded_and_the_oldest_goes_first() -> None:
    reassembly = Reassembly(20_000, 5.0)
    first = pieces_of(bytes(4000))[0]
    for key in range(100):
        add(reassembly, first, key=key)
        assert reassembly.held_bytes <= 20_000
    assert len(reassembly) == 20_000 // (1376 + ENTRY_OVERHEAD_BYTES)
    assert [reassembly.expects(key, unpack(first), first[HEADER_BYTES:]) for key in (99, 0)] == [True, False]  # type: ignore[arg-type]
    assert reassembly.crowded


def test_time_is_bounded() -> None:
    reassembly = Reassembly(1 << 20, 5.0)
    first, *rest = pieces_of(bytes(4000))
    add(reassembly, first, now=0.0)
    assert reassembly.expire(4.9) == 0
    assert reassembly.expire(5.0) == 1
    assert [add(reassembly, packet, now=6.0) for packet in rest] == [None] * len(rest)


def piece(number: int, size: int, total: int, last: bool = False) -> bytes:
    flags = FLAG_FRAGMENT | (8 if last else 0)
    return pack(INIT, flags, 0, 7 << 8 | number, 0, total) + bytes(size)


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (piece(0, 1376, MAX_MESSAGE_BYTES + 1), "too-long"),
        (piece(64, 300, 16000), "too-long"),
        (piece(0, 100, 4000), "bad-fragment"),
        (piece(0, 0, 4000), "bad-fragment"),
        (piece(0, 1000, 4000, last=True), "bad-fragment"),
        (piece(3, 1376, 4000), "bad-fragment"),
        (piece(2, 0, 4000, last=True), "bad-fragment"),
        (piece(2, 101, 4000, last=True), "bad-fragment"),
        (piece(1, 3000, 4000, last=True), "bad-fragment"),
        (piece(63, 100, 4000, last=True), "bad-fragment"),
    ],
)
def test_pieces_of_no_message_are_refused(packet: bytes, reason: str) -> None:
    reassembly = Reassembly(1 << 20, 5.0)
    with pytest.raises(PeerFault, match=reason):
        add(reassembly, packet)
    assert (len(reassembly), reassembly.held_bytes) == (0, 0)


@pytest.mark.parametrize(
    "forged",
    [
        piece(0, 1000, 4000),
        piece(0, 1376, 5000),
        piece(1, 1376, 3000),
        piece(2, 100, 4000, last=True),
        piece(3, 400, 4000, last=True),
    ],
)
def test_a_forged_piece_does_not_keep_the_real_ones_out(forged: bytes) -> None:
    reassembly = Reassembly(1 << 20, 5.0)
    body = Random(1).randbytes(4000)
    add(reassembly, forged)
    *pieces, last = pieces_of(body)
    assert [add(reassembly, packet) for packet in pieces] == [None, None]
    joined = add(reassembly, last)
    assert joined is not None
    assert joined.body == body
