from __future__ import annotations

from base64 import b32decode
from hashlib import sha256

import pytest

from appliance.members.network import NetworkKey, digest_of_text, identity_text, network_text, signer_text
from appliance.testing.pair import identity_of
from tests.unit.members.signed import NETWORK, OWNER


def test_a_network_is_named_by_its_owners_key() -> None:
    letters = NETWORK.fingerprint.removeprefix("llpn1:").upper()
    assert b32decode(letters + "====") == sha256(b"LLP1 network" + OWNER.public.encoded).digest() == NETWORK.digest


def test_the_same_keys_as_a_node_have_another_name() -> None:
    assert NETWORK.digest != OWNER.public.digest
    assert NetworkKey(OWNER.public.encoded).fingerprint == NETWORK.fingerprint


def test_its_owner_is_known_by_the_key() -> None:
    assert NETWORK.is_of(OWNER)
    assert not NETWORK.is_of(identity_of("a"))


def test_fingerprints_of_both_kinds_are_read_in_one_spelling_only() -> None:
    digest = bytes(range(32))
    assert digest_of_text(network_text(digest)) == digest_of_text(identity_text(digest)) == digest
    assert signer_text(digest, digest).startswith("llpn1:")
    assert signer_text(digest, bytes(32)).startswith("llp1:")
    good = identity_text(digest)
    for bad in ("", "llp1:", good.upper(), good[:-1], good + "a", good[:-1] + "b", "llp2:" + good[5:], good.replace("a", "1")):
        with pytest.raises(ValueError):
            digest_of_text(bad)
