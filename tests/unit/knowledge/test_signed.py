"""Records that members sign: what is taken, and why what is not is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.knowledge.signed import (
    AHEAD_SECONDS,
    MOST_CONTENT,
    MOST_SECONDS,
    Fault,
    Record,
    RecordRefused,
    read_record,
    sign_record,
)
from appliance.members.network import digest_of_text
from appliance.testing.pair import identity_of

NETWORK, OTHER = b"n" * 32, b"o" * 32
ME = digest_of_text(identity_of("me").fingerprint)
KEYS = {ME: identity_of("me").public.encoded[:32]}
NOW = 1_800_000_000
SIGN = identity_of("me").sign_ed25519


def record(content: bytes = b"hello", *, seconds: int = 60, written: int = NOW, purpose: str = "test") -> Record:
    return sign_record(Record(NETWORK, ME, 1, written, written + seconds, content), purpose, SIGN)


def why(encoded: bytes, *, purpose: str = "test", network: bytes = NETWORK, wall: float = NOW) -> Fault:
    with pytest.raises(RecordRefused) as refused:
        read_record(encoded, purpose, network, KEYS, wall)
    return refused.value.reason


def test_what_a_member_signed_is_read_as_it_was() -> None:
    written = record()
    assert read_record(written.encoded, "test", NETWORK, KEYS, NOW) == written
    assert (written.member, written.content, written.expires) == (ME, b"hello", NOW + 60)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (lambda good: good[:-1], Fault.MALFORMED),
        (lambda good: good + b"x", Fault.MALFORMED),
        (lambda good: b"", Fault.MALFORMED),
        (lambda good: b"\x02" + good[1:], Fault.MALFORMED),
        (lambda good: good + bytes(MOST_CONTENT), Fault.TOO_LONG),
        (lambda good: good[:40] + b"y" + good[41:], Fault.UNKNOWN),
        (lambda good: good[:95] + b"y" + good[96:], Fault.FORGED),
        (lambda good: good[:-1] + bytes([good[-1] ^ 1]), Fault.FORGED),
    ],
)
def test_what_was_changed_on_the_way_is_refused(broken: Callable[[bytes], bytes], reason: Fault) -> None:
    assert why(broken(record().encoded)) is reason


def test_a_record_is_for_one_purpose_in_one_network_and_for_a_time() -> None:
    good = record().encoded
    assert why(good, purpose="another") is Fault.FORGED
    assert why(good, network=OTHER) is Fault.FOREIGN
    assert why(good, wall=NOW + 60) is Fault.EXPIRED
    assert why(good, wall=NOW - AHEAD_SECONDS - 1) is Fault.FUTURE
    assert read_record(good, "test", NETWORK, KEYS, NOW - AHEAD_SECONDS)


@pytest.mark.parametrize("seconds", [0, -1, MOST_SECONDS + 1])
def test_nobody_signs_what_nobody_would_take(seconds: int) -> None:
    with pytest.raises(RecordRefused):
        record(seconds=seconds)
    with pytest.raises(RecordRefused):
        record(bytes(MOST_CONTENT + 1))


@given(st.binary(max_size=400))
def test_any_bytes_are_judged_and_nothing_else_is_raised(found: bytes) -> None:
    why(found)
