"""Keys that sign: one at a time, and those before it verify as long as it takes."""

from __future__ import annotations

import jwt
import pytest

from appliance.management.iam.signing_keys import KEPT_SECONDS, LIFE, MOST_KEYS, Ring, SigningKey, rotated

NOW = 1_800_000_000


def test_a_key_is_named_by_its_thumbprint() -> None:
    """The key and the thumbprint of RFC 8037, appendix A.3."""
    seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
    ring = Ring(rotated((), bytes.fromhex(seed), NOW))
    assert ring.signer[0] == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert ring.jwks(NOW)["keys"][0]["x"] == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"


def test_the_published_keys_hold_nothing_private() -> None:
    ring = Ring(rotated((), bytes(range(32)), NOW))
    (key,) = ring.jwks(NOW)["keys"]
    assert set(key) == {"kty", "crv", "x", "kid", "use", "alg"}
    assert jwt.PyJWK(key).key_id == ring.signer[0]


def test_a_replaced_key_verifies_until_its_tokens_are_over_and_then_goes() -> None:
    first = rotated((), bytes(range(32)), NOW)
    second = rotated(first, bytes(32), NOW + 100)
    ring = Ring(second)
    old = first[0].kid
    assert ring.signer[0] != old
    assert ring.public(old, NOW + 100 + KEPT_SECONDS - 1)
    assert ring.public(old, NOW + 100 + KEPT_SECONDS) is None
    assert len(ring.jwks(NOW + 100)["keys"]) == 2
    assert len(ring.jwks(NOW + 100 + KEPT_SECONDS)["keys"]) == 1
    third = rotated(second, bytes([7]) * 32, NOW + 100 + KEPT_SECONDS)
    assert [key.kid for key in third][1:] == [second[0].kid]


def test_a_hundred_rotations_in_a_second_keep_eight_keys() -> None:
    keys: tuple[SigningKey, ...] = ()
    for number in range(100):
        keys = rotated(keys, bytes([number]) * 32, NOW)
    assert len(keys) == MOST_KEYS


def test_after_a_month_it_is_time() -> None:
    ring = Ring(rotated((), bytes(32), NOW))
    assert not ring.is_due(NOW + LIFE - 1)
    assert ring.is_due(NOW + LIFE)


@pytest.mark.parametrize("text", ["{!r}", "{!s}"])
def test_a_key_that_is_printed_says_no_secret(text: str) -> None:
    (key,) = rotated((), bytes(range(32)), NOW)
    assert key.seed not in text.format(key)
