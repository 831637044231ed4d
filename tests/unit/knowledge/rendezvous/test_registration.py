"""Registrations: signed, bound to a tag and a network, and judged before anything is believed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.api.values import Endpoint
from appliance.knowledge.rendezvous.registration import (
    MOST_BYTES,
    MOST_ENDPOINTS,
    MOST_RELAYS,
    MOST_SECONDS,
    Refusal,
    RegistrationRefused,
    head_of,
    is_tag,
    read_registration,
)
from appliance.knowledge.signed import Fault
from appliance.members.row import EndpointKind, Reachable
from appliance.protocol.digests import sha256
from tests.unit.knowledge.rendezvous.crowd import ANN, BEN, EVE, HERE, NETWORK, WALL

KEYS = {each.digest: each.public for each in (ANN, BEN)}


def reason(encoded: bytes, wall: float = WALL) -> str:
    with pytest.raises(RegistrationRefused) as refused:
        read_registration(encoded, NETWORK, KEYS, wall)
    return str(refused.value.reason)


def test_what_a_member_says_is_read_as_it_was_said() -> None:
    said = ANN.registers("printers", relays=(BEN.digest,))
    read = read_registration(said.encoded, NETWORK, KEYS, WALL)
    assert read == said
    assert (read.member, read.tag, read.endpoints, read.relays, read.withdrawn) == (
        *(ANN.digest, "printers", (HERE,), (BEN.digest,)),
        False,
    )
    row = read.as_row()
    assert (row.member, row.endpoints, row.relays) == (ANN.digest, (HERE,), (BEN.digest,))
    assert read_registration(ANN.registers("printers", withdrawn=True).encoded, NETWORK, KEYS, WALL).withdrawn


def test_too_many_places_to_call_are_cut() -> None:
    many = [Reachable(EndpointKind.LOCAL, 0, Endpoint("udp", f"h{number}.{'x' * 200}.example", 1)) for number in range(20)]
    read = ANN.registers("t", endpoints=tuple(many), relays=(BEN.digest,) * 9)
    assert 0 < len(read.endpoints) < MOST_ENDPOINTS, "no more than there is room for"
    assert len(read.relays) == MOST_RELAYS
    assert len(read.record.content) <= MOST_BYTES


@pytest.mark.parametrize("tag", ["a", "A1", "printers.floor-2", "x:y_z", "7" * 64])
def test_tags(tag: str) -> None:
    assert is_tag(tag)


@pytest.mark.parametrize("tag", ["", "-a", ".a", "a b", "a/b", "ä", "a\n", "7" * 65])
def test_no_tags(tag: str) -> None:
    assert not is_tag(tag)
    with pytest.raises(RegistrationRefused):
        ANN.registers(tag)


def test_what_is_not_a_members_own_word_is_refused() -> None:
    good = ANN.registers("printers").encoded
    moved = good.replace(b"printers", b"scanners")
    assert reason(moved) == Fault.FORGED, "nobody moves it to another tag"
    assert reason(EVE.registers("printers").encoded) == Fault.UNKNOWN
    assert reason(ANN.registers("printers", network=sha256(b"other")).encoded) == Fault.FOREIGN
    assert reason(ANN.signs(ANN.registers("printers").record.content, purpose="row")) == Fault.FORGED
    assert reason(good[:-64] + bytes(64)) == Fault.FORGED, "unsigned"


def test_times() -> None:
    good = ANN.registers("printers").encoded
    assert reason(good, WALL + 7200) == Fault.EXPIRED
    assert reason(good, WALL - 3600) == Fault.FUTURE
    for ttl in (1, MOST_SECONDS + 1):
        assert reason(ANN.signs(ANN.registers("printers").record.content, ttl=ttl)) == Refusal.LIFETIME


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"\0\1a",
        b"\2\1a\0",
        b"\0\0\0",
        b"\0\5a\0",
        b"\0\1\xff\0",
        b"\0\1a\1",
        b"\0\1a\1\1\x09udp://x",
        b"\0\1a\1\1\4what",
        b"\0\1a\0" + bytes(31),
    ],
)
def test_what_has_another_form_is_malformed(content: bytes) -> None:
    assert reason(ANN.signs(content)) == Fault.MALFORMED


def test_what_is_too_long_is_said_to_be() -> None:
    endpoint = b"\1\x16udp://198.51.100.7:443"
    assert reason(ANN.signs(b"\0\1a\x09" + endpoint * 9)) == Fault.TOO_LONG
    assert reason(ANN.signs(b"\0\1a\0" + bytes(32 * (MOST_RELAYS + 1)))) == Fault.TOO_LONG
    assert reason(ANN.signs(bytes(MOST_BYTES + 1))) == Fault.TOO_LONG


def test_an_endpoint_of_a_kind_of_tomorrow_is_passed_over() -> None:
    read = read_registration(ANN.signs(b"\0\1a\1\x63\x16udp://198.51.100.7:443"), NETWORK, KEYS, WALL)
    assert read.endpoints == ()


@given(st.binary(max_size=1400))
def test_any_bytes_are_refused_and_nothing_else_happens(encoded: bytes) -> None:
    with pytest.raises(RegistrationRefused):
        read_registration(encoded, NETWORK, KEYS, WALL)


@given(st.binary(max_size=MOST_BYTES))
def test_any_content_that_a_member_signs_is_read_or_refused(content: bytes) -> None:
    try:
        read = head_of(ANN.signs(content))
    except RegistrationRefused:
        return
    assert is_tag(read.tag)
