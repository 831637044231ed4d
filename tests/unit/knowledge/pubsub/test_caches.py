"""What a node remembers of messages, and for how long."""

from __future__ import annotations

import pytest

from appliance.knowledge.pubsub import caches
from appliance.knowledge.pubsub.caches import KEPT_SECONDS, MOST_KEPT_BYTES, Cache, Kept, Seen


def test_an_id_is_remembered_until_its_message_expires() -> None:
    seen = Seen()
    seen.add(b"a", b"author", 100, until=10.0, now=0.0)
    seen.add(b"b", b"author", 101, until=20.0, now=9.0)
    assert b"a" in seen
    seen.add(b"c", b"author", 102, until=30.0, now=10.0)
    assert b"a" not in seen
    assert len(seen) == 2
    assert not seen.may_be_forgotten(b"author", 100), "nothing was forgotten that could come again"


def test_when_too_many_come_the_forgotten_ones_of_each_author_are_refused_by_their_age(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "MOST_SEEN", 2)
    seen = Seen()
    for number in range(4):
        seen.add(b"%d" % number, b"odd" if number % 2 else b"even", 100 + number, until=50.0, now=0.0)
    assert len(seen) == 2
    assert seen.may_be_forgotten(b"odd", 101)
    assert not seen.may_be_forgotten(b"odd", 102)
    assert not seen.may_be_forgotten(b"even", 101), "who writes in the future harms nobody else"


def test_messages_are_kept_for_a_time_and_up_to_a_size() -> None:
    cache = Cache()
    half = bytes(MOST_KEPT_BYTES // 2)
    for number in range(3):
        cache.add(Kept(b"%d" % number, "news", b"author", half, float(number)))
    assert cache.get(b"0") is None
    assert cache.size == MOST_KEPT_BYTES
    assert [kept.id for kept in cache.since(1.0)] == [b"2"]
    cache.age(1.0 + KEPT_SECONDS)
    assert len(cache) == 1
    cache.age(2.0 + KEPT_SECONDS)
    assert (len(cache), cache.size) == (0, 0)


def test_what_a_peer_has_is_forgotten_with_its_session() -> None:
    cache = Cache()
    kept = Kept(b"a", "news", b"author", b"", 0.0)
    cache.add(kept)
    kept.holders.add(b"peer")
    kept.given[b"peer"] = 2
    cache.forget(b"peer")
    assert not kept.holders
    assert not kept.given
