"""One topic's mesh: who may come in, who stays when it is cut down."""

from __future__ import annotations

from appliance.knowledge.pubsub.mesh import D_OUT, D_SCORE, MOST_CANDIDATES, D, Link, Topic, survivors

MEMBERS = [bytes([number]) * 32 for number in range(14)]


def test_the_best_stay_and_some_by_lot() -> None:
    by_lot = [MEMBERS[number] for number in (9, 1, 12, 3, 4)] + MEMBERS[5:9]
    assert survivors(MEMBERS, by_lot, set(MEMBERS)) == [*MEMBERS[:D_SCORE], MEMBERS[9], MEMBERS[12]]


def test_who_surrounds_us_does_not_push_out_all_that_we_chose() -> None:
    ours = set(MEMBERS[-3:])
    stay = survivors(MEMBERS, MEMBERS, ours)
    assert len(stay) == len(set(stay)) == D
    assert len(ours & set(stay)) == D_OUT


def test_of_the_eager_ones_the_one_that_brought_nothing_for_longest_is_least_useful() -> None:
    topic = Topic("news")
    for number, member in enumerate(MEMBERS[:3]):
        topic.links[member] = Link(float(number), ours=True, eager_in=number < 2, eager_out=True)
    assert topic.eager == MEMBERS[:2]
    topic.links[MEMBERS[0]].gave_at = 9.0
    assert topic.least_useful() == MEMBERS[1]


def test_backing_off_lasts_as_long_as_was_said_and_is_never_shortened() -> None:
    topic = Topic("news")
    topic.back_off(MEMBERS[0], 60.0)
    topic.back_off(MEMBERS[0], 10.0)
    assert topic.is_backed_off(MEMBERS[0], 59.0)
    assert not topic.is_backed_off(MEMBERS[0], 60.0)


def test_of_too_many_candidates_the_oldest_are_forgotten() -> None:
    topic = Topic("news")
    for number in range(MOST_CANDIDATES + 1):
        topic.suggest(b"%d" % number)
    assert len(topic.candidates) == MOST_CANDIDATES
    assert b"0" not in topic.candidates
