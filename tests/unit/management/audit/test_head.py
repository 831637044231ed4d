"""Signed heads: what a peer keeps."""

from __future__ import annotations

import json

import pytest

from appliance.management.audit.head import LAYOUT, SIGNED_BYTES, Head, HeadInvalid, of_document, read_signed, sign
from appliance.protocol.identity import Identity

NODE = Identity.from_seeds(b"\x01" * 32, b"\x02" * 32)
HEAD = Head("0b" * 16, 4711, b"\x0c" * 32, 1_800_000_000)


def test_a_head_travels_and_lies_in_files() -> None:
    signed = sign(HEAD, NODE)
    assert len(signed.pack()) == SIGNED_BYTES
    again = read_signed(signed.pack())
    assert (again.head, again.node) == (HEAD, NODE.fingerprint)
    assert of_document(json.loads(json.dumps(signed.document()))).head == HEAD


def test_no_byte_of_it_can_be_changed() -> None:
    packed = sign(HEAD, NODE).pack()
    for at in [*range(LAYOUT.size), LAYOUT.size, LAYOUT.size + 2000, SIGNED_BYTES - 4691, SIGNED_BYTES - 1]:
        changed = bytearray(packed)
        changed[at] ^= 1
        with pytest.raises(HeadInvalid):
            read_signed(bytes(changed))


@pytest.mark.parametrize("document", [{}, {"signed": 3}, {"signed": "%"}, {"signed": "eA=="}])
def test_what_is_no_head(document: dict[str, object]) -> None:
    with pytest.raises(HeadInvalid):
        of_document(document)
