from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.wire import envelope
from appliance.wire.envelope import FLAG_FRAGMENT, FLAG_LAST, HEADER_BYTES, PROTO, PacketType

HEADERS = st.tuples(
    st.sampled_from(PacketType),
    st.integers(0, 255),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**16 - 1),
)


def test_a_header_has_24_bytes_at_their_places() -> None:
    header = envelope.pack(PacketType.DATA, 0x02, 0x0A0B0C01, 0x1122334455667700, 0x01020304, 0x0506)
    assert header[:22].hex(" ") == "4c 31 01 02 0a 0b 0c 01 11 22 33 44 55 66 77 00 01 02 03 04 05 06"
    assert len(header) == HEADER_BYTES == 24


def test_there_are_six_types() -> None:
    names = {kind.value: kind.name for kind in PacketType}
    assert names == {1: "DATA", 2: "ACK", 3: "HANDSHAKE_INIT", 4: "HANDSHAKE_RESPONSE", 5: "KEEP_ALIVE", 6: "DISCONNECT"}


def test_the_checksum_is_crc_16_ccitt_false() -> None:
    from binascii import crc_hqx

    assert crc_hqx(b"123456789", envelope.CRC_START) == 0x29B1  # the check value of CRC-16/IBM-3740


@given(HEADERS)
def test_what_is_packed_is_unpacked(fields: tuple[int, int, int, int, int, int]) -> None:
    header = envelope.pack(*fields)
    assert envelope.unpack(header)[:7] == (PROTO, *fields)  # type: ignore[index]
    buffer = bytearray(HEADER_BYTES + 3)
    envelope.pack_into(memoryview(buffer), *fields)
    assert buffer == header + bytes(3)


@given(HEADERS, st.integers(0, 191))
def test_a_flipped_bit_is_noticed(fields: tuple[int, int, int, int, int, int], bit: int) -> None:
    header = bytearray(envelope.pack(*fields))
    header[bit // 8] ^= 1 << bit % 8
    assert envelope.unpack(header) is None


@pytest.mark.parametrize("length", range(HEADER_BYTES))
def test_a_short_header_is_none(length: int) -> None:
    assert envelope.unpack(envelope.pack(PacketType.ACK, 0, 0, 0, 0, 0)[:length]) is None


@given(HEADERS, st.integers(0, 255), st.booleans())
def test_every_fragment_leads_back_to_the_first_header(
    fields: tuple[int, int, int, int, int, int], number: int, last: bool
) -> None:
    kind, flags, stream, sequence, timestamp, length = fields
    first = envelope.pack(kind, (flags | FLAG_FRAGMENT) & ~FLAG_LAST, stream, sequence & ~0xFF, timestamp, length)
    fragment = envelope.fragment_header(first, number, last)
    unpacked = envelope.unpack(fragment)
    assert unpacked is not None
    assert (unpacked[4], bool(unpacked[2] & FLAG_LAST)) == (sequence & ~0xFF | number, last)
    assert envelope.first_header(fragment) == first


def test_a_nonce_does_not_know_the_fragment() -> None:
    assert envelope.nonce(0x11223344556677FF).hex() == "000000001122334455667700"
    assert envelope.pack(PacketType.DATA, 0, 0, 0, 2**32 + 7, 0) == envelope.pack(PacketType.DATA, 0, 0, 0, 7, 0)
