"""Who says of itself that it subscribes: eight of each topic are known, and only what is kept is passed on."""

from __future__ import annotations

import functools

import pytest
from rigs.audience import EPOCH, NETWORK, good, signed_by

from appliance.knowledge.pubsub import hints as module
from appliance.knowledge.pubsub.hints import HINT_SECONDS, MOST_OF_TOPIC, NEWS_SECONDS, Hint, Hints, sign_hint
from appliance.knowledge.signed import Fault, RecordRefused
from appliance.protocol.digests import sha256

MEMBERS = [sha256(b"%d" % number) for number in range(20)]
KEYS = {member: sha256(b"key" + member) for member in MEMBERS}


def hint(number: int, topic: str = "news", wall: float = EPOCH) -> Hint:
    member = MEMBERS[number]
    return sign_hint(topic, member, NETWORK, wall, functools.partial(signed_by, KEYS[member]))


def hints() -> Hints:
    return Hints(MEMBERS[0], NETWORK, good)


def test_the_first_eight_of_a_topic_are_kept_and_are_news_once() -> None:
    known = hints()
    taken = [known.take(hint(number).encoded, KEYS, EPOCH) for number in range(1, 20)]
    assert [each is not None for each in taken] == [True] * MOST_OF_TOPIC + [False] * (19 - MOST_OF_TOPIC)
    assert known.take(hint(1).encoded, KEYS, EPOCH) is None
    assert {each.member for each in known.of("news")} == set(MEMBERS[1 : MOST_OF_TOPIC + 1])


def test_of_its_own_topics_a_node_keeps_more_but_tells_others_of_eight() -> None:
    known = hints()
    known.own_topics.add("news")
    taken = [known.take(hint(number).encoded, KEYS, EPOCH) for number in range(1, 20)]
    assert [each is not None and each[1] for each in taken] == [True] * MOST_OF_TOPIC + [False] * (19 - MOST_OF_TOPIC)
    assert len(known) == 19


def test_it_is_news_again_when_it_was_renewed_a_good_while_later() -> None:
    known = hints()
    known.take(hint(1).encoded, KEYS, EPOCH)
    assert known.take(hint(1, wall=EPOCH + NEWS_SECONDS - 1).encoded, KEYS, EPOCH + NEWS_SECONDS) is None
    assert known.take(hint(1, wall=EPOCH + NEWS_SECONDS).encoded, KEYS, EPOCH + NEWS_SECONDS) is not None
    assert len(known) == 1


def test_it_is_forgotten_when_it_expires_or_was_wrong() -> None:
    known = hints()
    known.take(hint(1).encoded, KEYS, EPOCH)
    known.take(hint(2, wall=EPOCH + 10).encoded, KEYS, EPOCH + 10)
    known.age(EPOCH + HINT_SECONDS)
    assert [each.member for each in known.of("news")] == [MEMBERS[2]]
    known.drop("news", MEMBERS[2])
    known.drop("news", MEMBERS[2])
    assert len(known) == 0


def test_nobody_can_say_it_of_somebody_else() -> None:
    forged = hint(1).encoded[:-1] + b"\0"
    with pytest.raises(RecordRefused) as refused:
        hints().take(forged, KEYS, EPOCH)
    assert refused.value.reason is Fault.FORGED


def test_nobody_fills_the_table_and_nothing_goes_to_and_fro(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_HINTS", 6)
    known = hints()
    floods = [hint(1, f"flood-{number}").encoded for number in range(9)]
    assert [known.take(each, KEYS, EPOCH) is not None for each in floods] == [True] * 6 + [False] * 3
    for number in (2, 3):
        assert known.take(hint(number, "rare").encoded, KEYS, EPOCH) is not None
    assert len(known) == 6
    assert [each.member for each in known.of("rare")] == [MEMBERS[2], MEMBERS[3]]
    assert not any(known.take(each, KEYS, EPOCH) for each in floods), "what made room does not come back"


def test_a_member_has_as_many_as_it_may_have_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_OF_MEMBER", 2)
    known = hints()
    taken = [known.take(hint(1, f"topic-{number}").encoded, KEYS, EPOCH) is not None for number in range(4)]
    assert taken == [True, True, False, False]
    known.drop("topic-0", MEMBERS[1])
    assert known.take(hint(1, "topic-3").encoded, KEYS, EPOCH) is not None


def test_one_that_ends_soon_is_not_taken_so_that_nobody_fills_a_table_again_and_again() -> None:
    known = hints()
    last = EPOCH + HINT_SECONDS - NEWS_SECONDS
    assert known.take(hint(1).encoded, KEYS, last + 1) is None
    assert known.take(hint(1).encoded, KEYS, last) is not None
