from __future__ import annotations

from appliance_transport_quic.tokens import SECONDS, Tokens

TOKENS = Tokens(bytes(32))
HERE = ("192.0.2.1", 40000)


def test_a_token_is_good_for_its_address_and_a_while() -> None:
    token = TOKENS.make(HERE, b"original", b"new-id-8", 100.9)
    assert TOKENS.judge(token, HERE, 100.0) == (b"original", b"new-id-8")
    assert TOKENS.judge(token, HERE, 100.0 + SECONDS) == (b"original", b"new-id-8")
    assert TOKENS.judge(token, HERE, 101.0 + SECONDS) is None
    assert TOKENS.judge(token, HERE, 99.0) is None
    assert TOKENS.judge(token, ("192.0.2.1", 40001), 100.0) is None
    assert TOKENS.judge(token, ("192.0.2.2", 40000), 100.0) is None


def test_no_bit_of_a_token_can_be_changed_and_nothing_else_is_one() -> None:
    token = TOKENS.make(HERE, b"original", b"new-id-8", 100.0)
    for bit in range(8 * len(token)):
        forged = bytearray(token)
        forged[bit // 8] ^= 1 << bit % 8
        assert TOKENS.judge(bytes(forged), HERE, 100.0) is None
    for length in range(len(token)):
        assert TOKENS.judge(token[:length], HERE, 100.0) is None
    assert Tokens(b"\x01" * 32).judge(token, HERE, 100.0) is None
