from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.members.row import (
    LABEL,
    MOST_BYTES,
    MOST_ENDPOINTS,
    Reachable,
    Row,
    RowFault,
    RowRefused,
    Service,
    ed25519_good,
    head_of,
    judge_signature,
    read_row,
    services_that_fit,
    sign_row,
)
from tests.unit.members.rows import FULL, NETWORK, NOW, endpoint, key, member, public, row

HEAD = 84


def refusal(encoded: bytes) -> RowFault:
    with pytest.raises(RowRefused) as refused:
        read_row(encoded)
    return refused.value.reason


def with_parts(parts: bytes) -> bytes:
    """A row that is signed well, and whose parts may be anything."""
    head = row("a")[: HEAD - 2] + struct.pack("!H", len(parts)) + parts
    return head + key("a").sign(LABEL + head)


def test_what_was_signed_is_read() -> None:
    encoded = row("a", 5, **FULL)
    found = read_row(encoded)
    assert (found.network, found.member, found.sequence, found.written) == (NETWORK, member("a"), 5, NOW)
    assert found._asdict() | FULL == found._asdict()
    assert head_of(encoded) == (NETWORK, member("a"), 5)
    judge_signature(encoded, public("a"), ed25519_good)


def test_a_last_row_says_so() -> None:
    assert read_row(row("a", leaving=True)).leaving
    assert not read_row(row("a")).leaving


def test_services_are_told_as_long_as_there_is_room_for_them() -> None:
    many = tuple(Service(f"service-{number}", "x" * 200) for number in range(40))
    full = Row(NETWORK, member("a"), 1, NOW, endpoints=(endpoint("udp://192.0.2.1:8443"),) * MOST_ENDPOINTS, services=many)
    fitting = services_that_fit(full)
    assert fitting == many[: len(fitting)]
    assert MOST_BYTES - 250 < len(sign_row(full._replace(services=fitting, leaving=True), key("a").sign)) <= MOST_BYTES
    assert services_that_fit(full._replace(services=(Service("short", ""),) * 40)) == (Service("short", ""),) * 32


def test_somebody_elses_signature_is_none() -> None:
    with pytest.raises(RowRefused, match="forged"):
        judge_signature(row("a", by="b"), public("a"), ed25519_good)


@pytest.mark.parametrize("at", [0, 40, 70, 80, 90, -1])
def test_each_byte_is_signed(at: int) -> None:
    changed = bytearray(row("a", **FULL))
    changed[at] ^= 1
    with pytest.raises(RowRefused):
        judge_signature(bytes(changed), public("a"), ed25519_good)


def test_parts_that_are_not_known_are_passed_over() -> None:
    assert read_row(with_parts(struct.pack("!BH", 9, 3) + b"new")).services == ()
    unknown_kind = struct.pack("!BHBI", 1, 5 + 20, 77, 0) + b"udp://192.0.2.1:8443"
    assert read_row(with_parts(unknown_kind)).endpoints == ()


@pytest.mark.parametrize(
    "parts",
    [
        b"\1",
        struct.pack("!BH", 9, 4) + b"new",
        struct.pack("!BH", 9, 0) + struct.pack("!BH", 1, 0),
        struct.pack("!BH", 2, 31) + bytes(31),
        struct.pack("!BH", 3, 1) + b"\0",
        struct.pack("!BH", 3, 3) + b"\5ab",
        struct.pack("!BH", 3, 3) + b"\2\xff\xff",
        struct.pack("!BH", 3, 3) + b"\2a\n",
        struct.pack("!BHBI", 1, 5, 1, 0),
        struct.pack("!BHBI", 1, 9, 1, 0) + b"what",
    ],
    ids=["half", "long", "order", "relay", "no-name", "short-name", "no-text", "line", "no-endpoint", "bad-endpoint"],
)
def test_parts_of_another_form(parts: bytes) -> None:
    assert refusal(with_parts(parts)) is RowFault.MALFORMED


def test_limits() -> None:
    assert refusal(bytes(MOST_BYTES + 1)) is RowFault.TOO_LONG
    assert refusal(bytes(HEAD + 63)) is RowFault.MALFORMED
    relays = struct.pack("!BH", 2, 32) + bytes(32)
    assert refusal(with_parts(9 * relays)) is RowFault.TOO_LONG
    assert refusal(row("a")[:65] + b"\xff" * 8 + row("a")[73:]) is RowFault.MALFORMED, "a sequence that nobody could go beyond"
    most = Row(NETWORK, member("a"), 1, NOW, endpoints=tuple(endpoint(f"udp://192.0.2.{n}:1") for n in range(MOST_ENDPOINTS)))
    assert len(read_row(sign_row(most, key("a").sign)).endpoints) == MOST_ENDPOINTS
    for more in (
        most._replace(endpoints=(*most.endpoints, endpoint("udp://192.0.2.99:1"))),
        most._replace(services=(Service("x" * 256, ""),)),
        most._replace(services=(Service("x", "y" * 256),)),
        most._replace(services=tuple(Service(f"s{n}", "y" * 250) for n in range(9))),
        most._replace(load=256),
        most._replace(sequence=2**63),
    ):
        with pytest.raises(RowRefused):
            sign_row(more, key("a").sign)


def test_an_age_beyond_all_is_the_greatest() -> None:
    found = read_row(row("a", endpoints=(endpoint("udp://192.0.2.1:1", age=2**40),)))
    assert found.endpoints == (Reachable(found.endpoints[0].kind, 2**32 - 1, found.endpoints[0].endpoint),)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_row_or_refused(parts: bytes) -> None:
    try:
        found = read_row(with_parts(parts))
    except RowRefused:
        return
    assert found.member == member("a")
