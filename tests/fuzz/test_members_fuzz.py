"""Whatever bytes come as statements of a network: nothing raises but a refusal, and nothing grows."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.members.certificate import read_certificate, read_proof
from appliance.members.revocation import fraud_of, read_fraud, read_revocation
from appliance.members.statement import HEAD_BYTES, Kind, StatementRefused
from appliance.members.trust import Trust
from appliance.protocol.identity import SIGNATURE_BYTES
from appliance.testing.pair import identity_of
from tests.unit.members.signed import NETWORK, NOW, certificate, grants, issuer, revocation

ISSUER = identity_of("issuer")
GOOD = [
    issuer().encoded,
    certificate("laptop", ISSUER, grants=grants("10.7.0.1", prefixes=("192.168.7.0/24",), tags=("desk",))).encoded,
    certificate("server", grants=grants("fd00::1", is_exit=True, roles=("relay",))).encoded,
    revocation("server", "phone", keeps=[bytes(32)]).encoded,
    revocation("laptop", by=ISSUER).encoded,
    fraud_of(certificate("a", ISSUER, serial=1).encoded, certificate("b", ISSUER, serial=1).encoded).encoded,
]
READERS: list[Callable[[bytes], object]] = [read_certificate, read_revocation, read_fraud, read_proof]


@st.composite
def hostile(draw: st.DrawFn) -> bytes:
    """A good statement with a few bytes changed, left out or doubled; or a good head with any body."""
    good = draw(st.sampled_from(GOOD))
    if draw(st.booleans()):
        return (
            good[:1]
            + bytes([draw(st.sampled_from(Kind))])
            + good[2:HEAD_BYTES]
            + draw(st.binary(max_size=400))
            + good[-SIGNATURE_BYTES:]
        )
    changed = bytearray(good)
    for _ in range(draw(st.integers(0, 3))):
        changed[draw(st.integers(0, len(changed) - 1))] = draw(st.integers(0, 255))
    start, length = draw(st.integers(HEAD_BYTES, 400)), draw(st.integers(0, 40))
    cut = draw(st.sampled_from(["", "less", "more"]))
    if cut == "less":
        del changed[start : start + length]
    elif cut == "more":
        changed[start:start] = changed[start : start + length]
    return bytes(changed)


@given(encoded=hostile() | st.binary(max_size=6000))
@pytest.mark.parametrize("read", READERS)
def test_a_reader_refuses_or_reads_it_all(read: Callable[[bytes], object], encoded: bytes) -> None:
    with contextlib.suppress(StatementRefused):
        found = read(encoded)
        assert getattr(found, "encoded", encoded) == encoded


@given(encoded=hostile())
def test_what_is_read_has_one_encoding(encoded: bytes) -> None:
    """No other bytes say the same: what differs in its body has another digest."""
    for good in GOOD[:3]:
        with contextlib.suppress(StatementRefused):
            found, known = read_certificate(encoded), read_certificate(good)
            if encoded[:-SIGNATURE_BYTES] != good[:-SIGNATURE_BYTES]:
                assert found.digest != known.digest
                assert found != known


@given(st.lists(hostile() | st.sampled_from(GOOD), max_size=25))
def test_no_statements_raise_or_stay_unless_they_are_signed(statements: list[bytes]) -> None:
    trust = Trust(NETWORK)
    for encoded in statements:
        with contextlib.suppress(StatementRefused):
            trust.take(encoded, NOW)
        trust.members(NOW)
        trust.set_aside(NOW)
    assert {each.encoded[:-SIGNATURE_BYTES] for each in trust.statements()} <= {good[:-SIGNATURE_BYTES] for good in GOOD}
    assert trust.verified <= 2 * len(statements)
