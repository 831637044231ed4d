"""A review from its opening to its end, and what does not fit into it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import ApplianceError
from appliance.management.reviews import deeds
from appliance.management.reviews.deeds import NotTheAuthor, OwnReview, ReviewClosed, ReviewFull
from appliance.management.reviews.review import MOST_MESSAGES, MOVES, OVER, RESERVED, Kind, Review, State, Who

ALICE, BOB, CAROL = Who("alice", "1"), Who("bob", "2"), Who("carol", "3")
CHANGE = Review("r", Kind.CHANGE, "smaller MTU", "alice", "1", 100, 200, State.OPEN, 1, (), (), (), {"name": "p"})
INCIDENT = CHANGE._replace(kind=Kind.INCIDENT, expires=0, plan=None)


def test_it_is_approved_by_another_and_applied() -> None:
    approved = deeds.approve(CHANGE, BOB, 110, "right")
    applying = deeds.begin_to_apply(approved, ALICE, 120)
    applied = deeds.applied(applying, ALICE, 130, "3 steps")
    assert applied.state == State.APPLIED
    assert [(message.number, message.by, message.deed) for message in applied.messages] == [
        (1, "bob", "approve"),
        (2, "alice", "apply"),
        (3, "alice", "applied"),
    ]


def test_nobody_judges_his_own() -> None:
    for judge in (deeds.approve, deeds.reject):
        with pytest.raises(OwnReview):
            judge(CHANGE, ALICE, 110)


def test_who_has_the_name_of_a_removed_user_is_somebody_else() -> None:
    other = Who("alice", "9")
    assert deeds.approve(CHANGE, other, 110).state == State.APPROVED
    with pytest.raises(NotTheAuthor):
        deeds.withdraw(CHANGE, other, 110)


def test_two_may_have_to_approve_and_one_counts_once() -> None:
    wanting = CHANGE._replace(needs=2)
    once = deeds.approve(deeds.approve(wanting, BOB, 110), BOB, 111)
    assert (once.state, once.approved_by) == (State.OPEN, ("bob",))
    assert deeds.approve(once, CAROL, 112).state == State.APPROVED


def test_one_who_rejects_is_enough_even_after_the_approval() -> None:
    rejected = deeds.reject(deeds.approve(CHANGE, BOB, 110), CAROL, 120)
    assert rejected.state == State.REJECTED
    with pytest.raises(ReviewClosed):
        deeds.begin_to_apply(rejected, ALICE, 130)


def test_only_one_applies_it() -> None:
    applying = deeds.begin_to_apply(deeds.approve(CHANGE, BOB, 110), ALICE, 120)
    with pytest.raises(ReviewClosed):
        deeds.begin_to_apply(applying, BOB, 121)


def test_what_failed_may_be_tried_again() -> None:
    applying = deeds.begin_to_apply(deeds.approve(CHANGE, BOB, 110), ALICE, 120)
    failed = deeds.failed(applying, ALICE, 121, "the disk is full")
    assert deeds.begin_to_apply(failed, ALICE, 122).state == State.APPLYING


def test_its_time_ends_it_but_not_what_is_being_applied() -> None:
    assert deeds.aged(CHANGE, 199) == CHANGE
    assert deeds.aged(CHANGE, 200).state == State.VOID
    with pytest.raises(ReviewClosed):
        deeds.approve(CHANGE, BOB, 200)
    applying = deeds.begin_to_apply(deeds.approve(CHANGE, BOB, 110), ALICE, 199)
    assert deeds.applied(applying, ALICE, 260, "").state == State.APPLIED


def test_only_its_author_takes_it_back() -> None:
    with pytest.raises(NotTheAuthor):
        deeds.withdraw(CHANGE, BOB, 110)
    assert deeds.withdraw(CHANGE, ALICE, 110).state == State.WITHDRAWN


def test_an_incident_is_talked_about_and_resolved() -> None:
    talked = deeds.comment(INCIDENT, BOB, 10**9, "seen in Berlin too")
    assert deeds.resolve(talked, BOB, 10**9).state == State.RESOLVED
    for deed in (deeds.approve, deeds.reject, deeds.withdraw, deeds.begin_to_apply):
        with pytest.raises(ReviewClosed):
            deed(INCIDENT, BOB, 110)
    with pytest.raises(ReviewClosed):
        deeds.resolve(CHANGE, BOB, 110)


def test_comments_leave_room_for_decisions() -> None:
    review = CHANGE
    for _ in range(MOST_MESSAGES - RESERVED):
        review = deeds.comment(review, BOB, 110, "and another thing")
    with pytest.raises(ReviewFull):
        deeds.comment(review, BOB, 110, "one more")
    assert deeds.approve(review, BOB, 110).state == State.APPROVED


DEEDS: list[Callable[[Review, Who, int], Review]] = [
    lambda review, by, now: deeds.comment(review, by, now, "…"),
    deeds.approve,
    deeds.reject,
    deeds.withdraw,
    deeds.resolve,
    deeds.begin_to_apply,
    lambda review, by, now: deeds.applied(review, by, now, ""),
    lambda review, by, now: deeds.failed(review, by, now, ""),
]


@given(st.lists(st.tuples(st.sampled_from(DEEDS), st.sampled_from([ALICE, BOB, CAROL]), st.integers(0, 40)), max_size=12))
def test_whatever_is_tried_it_is_applied_only_if_another_approved_it_in_time(
    tried: list[tuple[Callable[..., Review], Who, int]],
) -> None:
    review, now = CHANGE, 100
    for deed, by, later in tried:
        now += later
        before = review
        try:
            review = deed(review, by, now)
        except ApplianceError:
            continue
        assert review.state == before.state or review.state in {after for (_, _), after in MOVES.items()}
        assert before.state not in OVER or review.state == before.state, "what is over stays so"
    if review.state in {State.APPLYING, State.APPLIED}:
        assert set(review.approved_ids) - {ALICE.id}
        assert next(message.at for message in review.messages if message.deed == "apply") < CHANGE.expires
    assert Review.of(review.document()) == review
