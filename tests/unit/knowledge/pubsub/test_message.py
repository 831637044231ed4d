"""Messages: signed by their author, named by their content."""

from __future__ import annotations

import pytest

from appliance.knowledge.pubsub.message import (
    MESSAGE_SECONDS,
    MOST_DATA,
    PURPOSE,
    Message,
    id_of,
    read_message,
    sign_message,
    topic_of,
)
from appliance.knowledge.signed import Fault, Record, RecordRefused, sign_record
from appliance.members.network import digest_of_text
from appliance.members.row import ed25519_good
from appliance.testing.pair import identity_of

NETWORK, NOW = b"n" * 32, 1_800_000_000
ME = digest_of_text(identity_of("me").fingerprint)
KEYS = {ME: identity_of("me").public.encoded[:32]}
SIGN = identity_of("me").sign_ed25519


def message(data: bytes = b"hello", sequence: int = 1) -> Message:
    return sign_message("news", data, ME, NETWORK, sequence, NOW, SIGN)


def read(encoded: bytes, wall: float = NOW) -> Message:
    return read_message(encoded, NETWORK, KEYS, wall, ed25519_good)


def refused(encoded: bytes, wall: float = NOW) -> Fault:
    with pytest.raises(RecordRefused) as found:
        read(encoded, wall)
    return found.value.reason


def test_what_was_signed_is_read() -> None:
    sent = message()
    assert read(sent.encoded) == sent
    topic, author, data, ident, written = sent.delivered
    assert (topic, author, data, ident, written) == ("news", ME, b"hello", id_of(sent.encoded), NOW)
    assert len(message(bytes(MOST_DATA)).delivered.data) == MOST_DATA


def test_the_same_words_said_twice_are_two_messages() -> None:
    assert message(sequence=1).delivered.id != message(sequence=2).delivered.id


def test_a_broken_signature_leaves_the_id_as_it_is_and_is_refused() -> None:
    sent = message().encoded
    forged = sent[:-1] + bytes([sent[-1] ^ 1])
    assert id_of(forged) == id_of(sent)
    assert refused(forged) is Fault.FORGED


def test_one_that_is_too_long_is_neither_signed_nor_taken() -> None:
    with pytest.raises(ValueError, match="8000"):
        message(bytes(MOST_DATA + 1))
    record = Record(NETWORK, ME, 1, NOW, NOW + 60, b"\1a" + bytes(MOST_DATA + 1))
    assert refused(sign_record(record, PURPOSE, SIGN).encoded) is Fault.TOO_LONG


def test_one_that_would_outlive_its_id_is_refused() -> None:
    record = Record(NETWORK, ME, 1, NOW, NOW + MESSAGE_SECONDS + 1, b"\4news")
    assert refused(sign_record(record, PURPOSE, SIGN).encoded) is Fault.FUTURE
    assert refused(message().encoded, wall=NOW + MESSAGE_SECONDS) is Fault.EXPIRED


def test_content_without_a_topic_is_malformed() -> None:
    with pytest.raises(RecordRefused) as found:
        topic_of(b"\x05new")
    assert found.value.reason is Fault.MALFORMED
