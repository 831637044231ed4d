"""Points of members and keys."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.knowledge.dht.ids import BITS, ID_BYTES, bucket_of, key_id, node_id, pack_id, unpack_id

NETWORK, OTHER = b"n" * 32, b"o" * 32
POINTS = st.integers(0, 2**BITS - 1)


def test_a_point_is_bound_to_network_and_use() -> None:
    name = b"m" * 32
    points = {node_id(NETWORK, name), node_id(OTHER, name), key_id(NETWORK, name), key_id(OTHER, name)}
    assert len(points) == 4
    assert all(0 <= point < 2**BITS for point in points)


@given(POINTS)
def test_a_point_travels(point: int) -> None:
    assert len(pack_id(point)) == ID_BYTES
    assert unpack_id(pack_id(point)) == point


@given(POINTS, POINTS)
def test_there_are_160_buckets_and_the_same_point_is_in_none(one: int, other: int) -> None:
    bucket = bucket_of(one, other)
    if one == other:
        assert bucket == -1
    else:
        assert 0 <= bucket < BITS
        assert one >> (bucket + 1) == other >> (bucket + 1)
        assert (one >> bucket) & 1 != (other >> bucket) & 1
