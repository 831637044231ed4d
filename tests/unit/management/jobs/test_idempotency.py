"""The same request twice is one execution."""

from __future__ import annotations

import pytest

from appliance.management.jobs.idempotency import KeyInvalid, KeyReused, Known, fingerprint, key_of


def test_the_same_request_has_the_same_fingerprint_in_whatever_order() -> None:
    assert fingerprint("t", {"a": 1, "b": 2}) == fingerprint("t", {"b": 2, "a": 1})
    assert len({fingerprint("t", {"a": 1}), fingerprint("t", {"a": "1"}), fingerprint("u", {"a": 1}), fingerprint("t", {})}) == 4


def test_a_key_gives_its_execution_and_no_other_requests() -> None:
    known = Known.of(Known("request", "execution").value())
    assert known.for_("request") == "execution"
    with pytest.raises(KeyReused):
        known.for_("another")


def test_everybody_has_keys_of_his_own() -> None:
    assert len({key_of("a", "bc"), key_of("ab", "c"), key_of("a", "b")}) == 3


@pytest.mark.parametrize("key", ["", "x" * 256, "a\nb", "schlüssel", "\ud800"])
def test_no_key(key: str) -> None:
    with pytest.raises(KeyInvalid):
        key_of("alice", key)
