from __future__ import annotations

from random import Random

import pytest

from appliance.errors import LocalFault, PeerFault
from appliance.protocol.exchange import KeyAgreement
from appliance.protocol.handshake import MOVES, Initiator, Policy, Pq, Responder, Stage
from appliance.protocol.identity import Identity
from appliance.testing.pair import identity_of
from appliance.wire import hello

A, B, C, D = map(identity_of, "abcd")
AES, CHACHA = 1, 2
ANY = Policy(Pq.REQUIRED, (AES, CHACHA))
ENTROPY = Random(1).randbytes


def initiator(policy: Policy = ANY, expected: Identity = B, identity: Identity = A) -> Initiator:
    return Initiator(policy, 11, identity, expected.fingerprint, ENTROPY, KeyAgreement())


def responder(client: hello.ClientHello, policy: Policy = ANY) -> Responder:
    return Responder(policy, 22, B, client, ENTROPY, KeyAgreement())


def knows_a(fingerprint: str) -> bool:
    return fingerprint == A.fingerprint


@pytest.mark.parametrize(("pq", "is_pq"), [(Pq.REQUIRED, True), (Pq.PREFER, True), (Pq.OFF, False)])
def test_both_sides_agree(pq: Pq, is_pq: bool) -> None:
    calling = initiator(Policy(pq, (CHACHA, AES)))
    called = responder(calling.hello, Policy(pq, (AES, CHACHA)))
    sealed, mine = calling.finish(called.hello)
    theirs = called.finish(called.open(sealed), knows_a)
    assert (mine.send_chain, mine.receive_chain) == (theirs.receive_chain, theirs.send_chain)
    assert mine.send_chain != mine.receive_chain
    assert mine.exporter == theirs.exporter
    assert len(mine.exporter) == 32
    assert mine.session_id == theirs.session_id
    assert mine.session_id.version == 4
    assert (mine.local_index, mine.remote_index) == (theirs.remote_index, theirs.local_index) == (11, 22)
    assert mine.suite == theirs.suite == AES  # the responder's first choice
    assert mine.pq is theirs.pq is is_pq
    assert (mine.peer, theirs.peer) == (B.fingerprint, A.fingerprint)
    assert (calling.stage, called.stage) == (Stage.FINISHED, Stage.FINISHED)


def test_randoms_have_32_bytes_and_differ() -> None:
    calling = initiator()
    called = responder(calling.hello)
    assert len(calling.hello.random) == len(called.hello.random) == 32
    assert calling.hello.random != called.hello.random


@pytest.mark.parametrize(
    ("ours", "theirs", "reason"),
    [
        (Policy(Pq.OFF, (AES,)), ANY, "pq-required"),
        (Policy(Pq.REQUIRED, (AES,)), Policy(Pq.OFF, (AES,)), "no-common-kex"),
        (Policy(Pq.REQUIRED, (3,)), ANY, "no-common-suite"),
    ],
)
def test_what_the_policies_do_not_share_is_refused(ours: Policy, theirs: Policy, reason: str) -> None:
    with pytest.raises(PeerFault, match=reason):
        responder(initiator(ours).hello, theirs)


def test_preferring_falls_back_only_as_far_as_both_allow() -> None:
    calling = initiator(Policy(Pq.PREFER, (AES,)))
    assert responder(calling.hello, Policy(Pq.OFF, (AES,))).hello.kex == 2
    assert responder(calling.hello, Policy(Pq.REQUIRED, (AES,))).hello.kex == 1


def test_stripping_the_post_quantum_offer_is_noticed() -> None:
    calling = initiator(Policy(Pq.PREFER, (AES,)))
    stripped = calling.hello._replace(mlkem=b"", kex=(2,))
    called = responder(stripped, Policy(Pq.PREFER, (AES,)))
    with pytest.raises(PeerFault, match="not-authentic"):
        calling.finish(called.hello)


def test_stripping_the_better_suite_is_noticed() -> None:
    calling = initiator()
    called = responder(calling.hello._replace(suites=(CHACHA,)))
    with pytest.raises(PeerFault, match="not-authentic"):
        calling.finish(called.hello)


def test_an_answer_outside_of_the_offer_is_a_downgrade() -> None:
    calling = initiator(Policy(Pq.REQUIRED, (AES,)))
    answer = responder(calling.hello).hello
    for changed in (answer._replace(kex=2), answer._replace(suite=0x7FFF)):
        with pytest.raises(PeerFault, match="downgrade"):
            calling.finish(changed)


def test_a_forged_answer_does_not_end_the_handshake() -> None:
    calling = initiator()
    called = responder(calling.hello)
    for changed in (
        called.hello._replace(x25519=bytes(32)),
        called.hello._replace(mlkem=bytes(1568)),
        called.hello._replace(sealed=bytes(100)),
        called.hello._replace(session_id=bytes(16)),
        responder(initiator().hello).hello,
    ):
        with pytest.raises(PeerFault):
            calling.finish(changed)
    sealed, _ = calling.finish(called.hello)
    for forged in (b"", bytes(7331), sealed[:-1]):
        with pytest.raises(PeerFault, match="not-authentic"):
            called.open(forged)
    called.finish(called.open(sealed), knows_a)


def test_only_the_expected_identity_is_spoken_to() -> None:
    calling = initiator(expected=C)
    with pytest.raises(PeerFault, match="wrong-identity"):
        calling.finish(responder(calling.hello).hello)


def test_a_stranger_is_refused() -> None:
    calling = initiator(identity=C)
    called = responder(calling.hello)
    sealed, _ = calling.finish(called.hello)
    with pytest.raises(PeerFault, match="unknown-identity"):
        called.finish(called.open(sealed), knows_a)


class Impostor(Identity):
    """Shows one identity and signs with the keys of another."""

    def __init__(self, shown: Identity, own: Identity) -> None:
        self.public = shown.public
        self._own = own

    def sign(self, message: bytes) -> bytes:
        return self._own.sign(message)


@pytest.mark.parametrize("shown", [A, C])
def test_who_shows_an_identity_that_it_cannot_sign_for_does_not_learn_whether_it_is_known(shown: Identity) -> None:
    calling = initiator(identity=Impostor(shown, D))
    called = responder(calling.hello)
    sealed, _ = calling.finish(called.hello)
    asked: list[str] = []
    with pytest.raises(PeerFault, match="bad-signature"):
        called.finish(called.open(sealed), lambda fingerprint: bool(asked.append(fingerprint)) or knows_a(fingerprint))
    assert asked == []


@pytest.mark.parametrize("shown", [B, C])
def test_who_answers_does_not_learn_whom_the_caller_expects(shown: Identity) -> None:
    calling = initiator(expected=B)
    called = Responder(ANY, 22, Impostor(shown, D), calling.hello, ENTROPY, KeyAgreement())
    with pytest.raises(PeerFault, match="bad-signature"):
        calling.finish(called.hello)


def test_a_finished_handshake_is_finished() -> None:
    calling = initiator()
    called = responder(calling.hello)
    sealed, _ = calling.finish(called.hello)
    proof = called.open(sealed)
    called.finish(proof, knows_a)
    with pytest.raises(LocalFault):
        calling.finish(called.hello)
    with pytest.raises(LocalFault):
        called.open(sealed)
    with pytest.raises(LocalFault):
        called.finish(proof, knows_a)
    calling.abandon()
    assert calling.stage is Stage.FINISHED


def test_an_abandoned_handshake_has_no_secrets() -> None:
    calling = initiator()
    called = responder(calling.hello)
    calling.abandon()
    called.abandon()
    assert calling._keys._x25519 is None
    assert called._schedule is None
    assert (calling.stage, called.stage) == (Stage.ABANDONED, Stage.ABANDONED)


def test_the_end_of_a_handshake_leads_nowhere() -> None:
    assert set(MOVES) == set(Stage)
    assert [stage for stage in Stage if not MOVES[stage]] == [Stage.FINISHED, Stage.ABANDONED]
