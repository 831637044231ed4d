from __future__ import annotations

from appliance.members.claims import CLAIM_BYTES, claim_of, claims_in, is_signed, sign_claim
from appliance.members.row import ed25519_good
from tests.unit.members.rows import NETWORK, key, member, public

CLAIM = sign_claim(NETWORK, member("b"), 7, member("a"), key("a").sign)


def test_what_was_said_is_read() -> None:
    assert [claim_of(*fields) for fields in claims_in(2 * CLAIM.encoded)] == [CLAIM, CLAIM]
    assert (CLAIM.target, CLAIM.sequence, CLAIM.accuser, len(CLAIM.encoded)) == (member("b"), 7, member("a"), CLAIM_BYTES)
    assert list(claims_in(CLAIM.encoded[:-1])) == []


def test_nobody_lends_his_voice_to_others() -> None:
    assert is_signed(CLAIM, NETWORK, public("a"), ed25519_good)
    assert not is_signed(CLAIM, NETWORK, public("c"), ed25519_good)
    assert not is_signed(CLAIM, bytes(32), public("a"), ed25519_good)
    (changed,) = claims_in(bytes(32) + CLAIM.encoded[32:])
    assert not is_signed(claim_of(*changed), NETWORK, public("a"), ed25519_good)
