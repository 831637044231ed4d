"""Protocol Buffers as google's library writes and reads them, and what it would not take."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance_discovery_libp2p.wire import protobuf
from appliance_discovery_libp2p.wire.malformed import Malformed


def test_a_message_of_googles_library_is_read() -> None:
    descriptor = pytest.importorskip("google.protobuf.descriptor_pb2")
    theirs = descriptor.FieldDescriptorProto(name="x" * 200, number=7, label=3, oneof_index=2**31 - 1)
    fields = protobuf.read(theirs.SerializeToString())
    assert protobuf.octets(fields, 1, 200) == b"x" * 200
    assert [protobuf.integer(fields, number) for number in (3, 4, 9)] == [7, 3, 2**31 - 1]
    ours = protobuf.write((1, b"x" * 200), (3, 7), (4, 3), (9, 2**31 - 1))
    assert descriptor.FieldDescriptorProto.FromString(ours) == theirs


def test_what_is_not_there_is_none_and_of_several_the_last_counts() -> None:
    fields = protobuf.read(protobuf.write((1, b"a"), (2, None), (1, b"b"), (3, 5), (3, 6)))
    assert (protobuf.octets(fields, 1, 1), protobuf.octets(fields, 2, 1), protobuf.integer(fields, 3)) == (b"b", None, 6)
    assert protobuf.every(fields, 1, 1) == [b"a", b"b"]


@pytest.mark.parametrize(
    "written",
    [
        b"\x0a",
        b"\x0a\x05abcd",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x00\x01",
        b"\x0b",
        b"\x09abc",
        b"\x08" + b"\x80" * 10,
    ],
    ids=["cut", "short", "long length", "field 0", "group", "fixed", "varint"],
)
def test_what_is_none_is_refused(written: bytes) -> None:
    with pytest.raises(Malformed):
        protobuf.read(written)


def test_fields_without_end_and_of_another_type_are_refused() -> None:
    with pytest.raises(Malformed):
        protobuf.read(b"\x08\x01" * (protobuf.MOST_FIELDS + 1))
    fields = protobuf.read(protobuf.write((1, 5), (2, b"five")))
    with pytest.raises(Malformed):
        protobuf.octets(fields, 1, 8)
    with pytest.raises(Malformed):
        protobuf.integer(fields, 2)
    with pytest.raises(Malformed):
        protobuf.octets(fields, 2, 3)


@given(st.binary(max_size=200))
def test_nothing_else_comes_of_any_bytes(data: bytes) -> None:
    with suppress(Malformed):
        protobuf.read(data)


def test_messages_inside_of_a_message_count_too() -> None:
    allowance = protobuf.Allowance(3)
    assert protobuf.read(protobuf.write((1, b"\x08\x01")), allowance) == {1: [b"\x08\x01"]}
    assert protobuf.read(b"\x08\x01\x08\x02", allowance) == {1: [1, 2]}
    with pytest.raises(Malformed):
        protobuf.read(b"\x08\x01", allowance)
