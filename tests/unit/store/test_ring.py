"""Data keys, wrapped."""

from __future__ import annotations

import json
from typing import Any

import pytest

from appliance.api.stores import StoreBroken
from appliance.foundation.entropy import random_bytes
from appliance.store.ring import DataKey, Ring, StoreSealed, Wrapping, WrappingKey, opened, wrapping_of

WRAPPED_BY = WrappingKey(b"a" * 32, Wrapping("file", "", "key-1"))
OTHER = WrappingKey(b"b" * 32, Wrapping("credential", "", "store"))


def ring() -> Ring:
    first = Ring.new(WRAPPED_BY, "hse", random_bytes, 1_000)
    return first.with_new_key("aes-256-gcm", random_bytes, 2_000)


def facts(ring: Ring) -> list[tuple[int, str, bytes, int]]:
    def fact(key: DataKey) -> tuple[int, str, bytes, int]:
        return key.number, key.cipher, key.key, key.made

    return [fact(key) for key in ring.keys.values()]


def test_it_goes_round_and_shows_no_key() -> None:
    one = ring()
    document = one.document(random_bytes)
    again = opened(document, WRAPPED_BY)
    assert facts(again) == facts(one)
    assert [fact[::3] for fact in facts(again)] == [(1, 1_000), (2, 2_000)]
    assert again.current.cipher == "aes-256-gcm"
    assert wrapping_of(document) == WRAPPED_BY.wrapping
    for key in (WRAPPED_BY.key, *(key.key for key in one.keys.values())):
        assert key not in document
        assert key.hex() not in f"{document!r} {WRAPPED_BY!r} {one.current!r} {one!r} {WRAPPED_BY.wrapping!r}"


def test_another_key_wraps_the_same_keys() -> None:
    one = ring()
    other = opened(one.wrapped(OTHER).document(random_bytes), OTHER)
    assert facts(other) == facts(one)
    with pytest.raises(StoreSealed, match=OTHER.wrapping.id) as raised:
        opened(other.document(random_bytes), WRAPPED_BY)
    assert "credential store" in raised.value.hint


def test_earlier_keys_go() -> None:
    assert list(ring().from_number(2).keys) == [2]
    assert ring().from_number(2).current.number == 2


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["form"], 2),
        (["wrapping", "place"], 7),
        (["wrapping", "more"], ""),
        (["keys"], []),
        (["keys"], 7),
        (["keys", 0, "number"], 2),
        (["keys", 0, "cipher"], "aes-256-gcm"),
        (["keys", 0, "cipher"], "rot13"),
        (["keys", 0, "wrapped"], "AAAA"),
        (["keys", 0, "wrapped"], "é"),
        (["keys", 0, "wrapped"], None),
    ],
)
def test_what_was_changed_is_damaged(path: list[Any], value: Any) -> None:
    document = json.loads(ring().document(random_bytes))
    at = document
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    with pytest.raises(StoreBroken):
        opened(json.dumps(document).encode(), WRAPPED_BY)


def test_keys_cannot_be_exchanged() -> None:
    document = json.loads(ring().with_new_key("hse", random_bytes, 1_000).document(random_bytes))
    document["keys"][0]["wrapped"] = document["keys"][2]["wrapped"]
    with pytest.raises(StoreBroken):
        opened(json.dumps(document).encode(), WRAPPED_BY)
