from __future__ import annotations

import pytest

from appliance.errors import LocalFault, PeerFault
from appliance.protocol.exchange import Kex, KeyAgreement, Shares

AGREEMENT = KeyAgreement()


@pytest.mark.parametrize(("kex", "secret_bytes"), [(Kex.X25519_MLKEM1024, 64), (Kex.X25519, 32)])
def test_both_sides_have_the_same_secret(kex: Kex, secret_bytes: int) -> None:
    keys = AGREEMENT.offer(pq=kex.post_quantum)
    shares, secret = AGREEMENT.answer(kex, keys.shares)
    assert keys.finish(kex, shares) == secret
    assert len(secret) == secret_bytes


def test_every_handshake_has_keys_of_its_own_of_the_size_of_ml_kem_1024() -> None:
    offers = [AGREEMENT.offer(pq=True) for _ in range(2)]
    answers = [AGREEMENT.answer(Kex.X25519_MLKEM1024, offers[0].shares)[0] for _ in range(2)]
    assert {len(share.mlkem) for share in (*(offer.shares for offer in offers), *answers)} == {1568}, "FIPS 203, table 3"
    assert offers[0].shares != offers[1].shares
    assert answers[0] != answers[1]


def test_a_point_of_low_order_gives_nothing() -> None:
    keys = AGREEMENT.offer(pq=False)
    with pytest.raises(PeerFault, match="bad-share"):
        keys.finish(Kex.X25519, Shares(bytes(32), b""))
    with pytest.raises(PeerFault, match="bad-share"):
        AGREEMENT.answer(Kex.X25519, Shares(bytes(32), b""))


def test_shares_of_another_length_give_nothing() -> None:
    keys = AGREEMENT.offer(pq=True)
    with pytest.raises(PeerFault, match="bad-share"):
        AGREEMENT.answer(Kex.X25519_MLKEM1024, keys.shares._replace(mlkem=b"short"))
    with pytest.raises(PeerFault, match="bad-share"):
        keys.finish(Kex.X25519_MLKEM1024, Shares(keys.shares.x25519, b"short"))
    with pytest.raises(PeerFault, match="bad-share"):  # not reduced modulo q (FIPS 203, section 7.2)
        AGREEMENT.answer(Kex.X25519_MLKEM1024, keys.shares._replace(mlkem=b"\xff" * 1568))


def test_a_bad_share_leaves_the_keys_good() -> None:
    keys = AGREEMENT.offer(pq=True)
    shares, secret = AGREEMENT.answer(Kex.X25519_MLKEM1024, keys.shares)
    with pytest.raises(PeerFault):
        keys.finish(Kex.X25519_MLKEM1024, Shares(bytes(32), shares.mlkem))
    assert keys.finish(Kex.X25519_MLKEM1024, shares) == secret
    keys.wipe()
    with pytest.raises(LocalFault):
        keys.finish(Kex.X25519_MLKEM1024, shares)


def test_post_quantum_needs_a_key_of_ours() -> None:
    with pytest.raises(PeerFault, match="downgrade"):
        AGREEMENT.offer(pq=False).finish(Kex.X25519_MLKEM1024, AGREEMENT.offer(pq=True).shares)
