"""Hostile datagrams against the driver of UDP, in trains as the kernel hands them over: nothing raises, nothing grows."""

from __future__ import annotations

import socket
from collections import Counter

from hypothesis import example, given
from hypothesis import strategies as st
from rigs.datagrams import crc16, datagrams, record

from appliance.api.datagrams.batches import Batches
from appliance.api.datagrams.fragments import CRC_AT, HEADER
from appliance.api.datagrams.joining import MAX_PARTIAL, MAX_PARTIAL_BYTES
from appliance.api.transport import Buffers
from appliance_transport_ip.datagram import UDP_SEGMENT, Datagrams

SOURCE = ("192.0.2.7", 40000)
WHOLE = datagrams(record(1, bytes(3000)))


def batches() -> tuple[Batches, Counter[str], list[int]]:
    """The driver's half that takes trains apart, what it dropped, and the lengths of the records it passed on."""
    dropped: Counter[str] = Counter()
    plain = memoryview(bytearray(131072))

    def drop(reason: str, count: int) -> None:
        dropped[reason] += count

    return Batches(Buffers(plain, plain, plain, drop)), dropped, []


@st.composite
def datagram(draw: st.DrawFn) -> bytes:
    """Noise, or a fragment of a record with any flags, number and length, whose checksum is right."""
    if draw(st.integers(0, 3)) == 0:
        return draw(st.binary(max_size=60))
    fields = bytearray(draw(st.sampled_from(WHOLE))[:CRC_AT])
    fields[3] = draw(st.sampled_from([0, 4, 12, 0x14, 0x1C, 0x44, 0x54, 0x5C]) | st.integers(0, 255))
    fields[15] = draw(st.integers(0, 4) | st.integers(120, 140) | st.integers(0, 255))
    fields[20:22] = draw(st.sampled_from([0, 1, 40, 100, 2000, 65535])).to_bytes(2, "big")
    body = bytes(draw(st.sampled_from([0, 1, 16, 40, 100, 1376])))
    return bytes(fields) + crc16(bytes(fields)).to_bytes(2, "big") + body


def fragment(flags: int, number: int, length: int, body: int) -> bytes:
    fields = bytearray(WHOLE[0][:CRC_AT])
    fields[3], fields[15] = flags, number
    fields[20:22] = length.to_bytes(2, "big")
    return bytes(fields) + crc16(bytes(fields)).to_bytes(2, "big") + bytes(body)


@given(trains=st.lists(st.tuples(st.lists(datagram(), min_size=1, max_size=6), st.integers(1, 1500)), max_size=12))
@example([([b"ab"], 1)])
@example([([fragment(0x04, 0, 2000, 1376)], 1400), ([fragment(0x14, 1, 2000, 1376)], 1400)])
def test_a_train_of_anything_raises_nothing_and_stays_within_bounds(trains: list[tuple[list[bytes], int]]) -> None:
    taken, _, lengths = batches()
    for train, segment in trains:
        data = b"".join(train)
        taken.take(memoryview(data), segment, SOURCE, lambda header, body, _room, _source: not lengths.append(len(body)))
        assert len(taken.joiner._partial) <= MAX_PARTIAL
        assert 0 <= taken.joiner._bytes <= MAX_PARTIAL_BYTES + 131072


def test_datagrams_of_one_byte_that_the_kernel_joined_raise_nothing() -> None:
    """Three datagrams of one byte come as one train of three (UDP_GRO): shorter than the header of a record."""
    dropped: Counter[str] = Counter()
    memory = memoryview(bytearray(524288))

    def drop(reason: str, count: int) -> None:
        dropped[reason] += count

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        here.bind(("127.0.0.1", 0))
        here.settimeout(0)
        driver = Datagrams(here, {"datagram": 1400}, Buffers(memory, memory, memory, drop))
        stranger.connect(here.getsockname())
        stranger.setsockopt(socket.SOL_UDP, UDP_SEGMENT, 1)
        stranger.send(b"abc")
        assert driver.receive(lambda *_: True)
    assert dropped == {"malformed": 3}
    assert HEADER > 3
