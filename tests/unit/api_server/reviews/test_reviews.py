"""Reviews in a store: two at once, a plan that moved, a node that fails, an API server that ends in the middle."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from appliance.api.stores import Append, Change, StoreAway
from appliance.api_server.reviews import reviews as module
from appliance.api_server.reviews.reviews import (
    AT_A_TIME,
    KEPT,
    NothingToReview,
    Opening,
    OtherNode,
    PlanTooLarge,
    Reviews,
    ReviewUnknown,
)
from appliance.errors import ApplianceError
from appliance.management.reviews import deeds
from appliance.management.reviews.deeds import ReviewClosed, ReviewFull
from appliance.management.reviews.review import MOST_TEXT, Kind, Review, State, Who
from appliance.store.memory import MemoryStore

ALICE, BOB = Who("alice", "1"), Who("bob", "2")
PLAN = {"name": "p1", "changed": [{"key": "network.mtu"}], "steps": [{"summary": "set mtu"}]}


class Story:
    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.store = MemoryStore(clock=lambda: self.now)
        self.reviews = Reviews(self.store, self, lambda: self.now, bytes, "one")
        self.plan: Mapping[str, Any] = PLAN
        self.applied: list[str] = []
        self.error: BaseException | None = None

    def change(self, kind: str, data: Mapping[str, Any]) -> Append:
        return Append("events", json.dumps([kind, data]).encode())

    def committed(self) -> None:
        pass

    async def planned(self) -> Mapping[str, Any]:
        return self.plan

    async def apply(self, plan: str) -> Mapping[str, Any]:
        if self.error is not None:
            raise self.error
        self.applied.append(plan)
        return {"steps": ["set mtu"]}

    async def opened(self, title: str = "smaller MTU") -> Review:
        self.now += 1
        return await self.reviews.open(Opening(Kind.CHANGE, title, "LTE", 3600, 1), ALICE, self.planned)

    async def approved(self) -> Review:
        review = await self.opened()
        return await self.reviews.change(review.id, BOB, "approve", lambda found, now: deeds.approve(found, BOB, now))

    async def said(self) -> list[str]:
        return [json.loads(entry.value)[1]["what"] for entry in (await self.store.tail("events")).entries]


async def test_from_opening_to_applied_with_an_event_for_each_step() -> None:
    story = Story()
    review = await story.approved()
    after, done = await story.reviews.apply(review.id, ALICE, story.apply)
    assert (after.state, done, story.applied) == (State.APPLIED, {"steps": ["set mtu"]}, ["p1"])
    assert await story.said() == ["opened", "approve", "applying", "applied"]


async def test_where_nothing_changes_there_is_nothing_to_review() -> None:
    story = Story()
    story.plan = PLAN | {"changed": [], "steps": []}
    with pytest.raises(NothingToReview):
        await story.opened()


async def test_a_plan_that_is_too_large_is_not_cut() -> None:
    story = Story()
    story.plan = PLAN | {"steps": [{"summary": "x" * 100}] * 6000}
    with pytest.raises(PlanTooLarge):
        await story.opened()


async def test_two_who_approve_at_once_are_both_heard() -> None:
    story = Story()
    review = await story.opened()

    async def approve(by: Who) -> Review:
        return await story.reviews.change(review.id, by, "approve", lambda found, now: deeds.approve(found, by, now))

    await asyncio.gather(*(approve(by) for by in map(Who, ("bob", "carol", "dave"))))
    assert set((await story.reviews.get(review.id)).approved_by) == {"bob", "carol", "dave"}


async def test_of_two_who_apply_at_once_one_does() -> None:
    story = Story()
    review = await story.approved()
    done = await asyncio.gather(*(story.reviews.apply(review.id, by, story.apply) for by in (ALICE, BOB)), return_exceptions=True)
    assert story.applied == ["p1"]
    assert [type(each) for each in done if isinstance(each, Exception)] == [ReviewClosed]


async def test_a_plan_that_moved_ends_the_review() -> None:
    story = Story()
    review = await story.approved()
    story.error = ApplianceError("what would be done now is not that plan any more")
    story.error.code = "PlanMoved"
    with pytest.raises(ApplianceError):
        await story.reviews.apply(review.id, ALICE, story.apply)
    assert (await story.reviews.get(review.id)).state == State.VOID


@pytest.mark.parametrize("error", [ApplianceError("the disk is full"), TimeoutError(), asyncio.CancelledError()])
async def test_what_fails_may_be_tried_again(error: BaseException) -> None:
    story = Story()
    review = await story.approved()
    story.error = error
    with pytest.raises(type(error)):
        await story.reviews.apply(review.id, ALICE, story.apply)
    story.error = None
    assert (await story.reviews.apply(review.id, ALICE, story.apply))[0].state == State.APPLIED


async def test_a_change_of_one_node_is_applied_there_and_nowhere_else() -> None:
    story = Story()
    review = await story.approved()
    elsewhere = Reviews(story.store, story, lambda: story.now, bytes, "two")
    with pytest.raises(OtherNode, match="one"):
        await elsewhere.apply(review.id, ALICE, story.apply)
    assert (await story.reviews.apply(review.id, ALICE, story.apply))[0].state == State.APPLIED


class Away(MemoryStore):
    """A database that breaks off: before it did what it was asked, or after."""

    before = after = 0

    async def commit(self, *changes: Change, durable: bool = True) -> list[int]:
        if self.before:
            self.before -= 1
            raise StoreAway("away")
        done = await super().commit(*changes, durable=durable)
        if self.after:
            self.after -= 1
            raise StoreAway("it happened, or not")
        return done


@pytest.mark.parametrize(("before", "after"), [(3, 0), (0, 1)])
async def test_what_has_happened_is_written_down_when_the_store_is_there_again(
    before: int, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRY_AGAIN", 0)
    story = Story()
    store = story.store = Away(clock=lambda: story.now)
    story.reviews = Reviews(store, story, lambda: story.now, bytes, "one")
    review = await story.approved()

    async def apply(plan: str) -> Mapping[str, Any]:
        store.before, store.after = before, after
        return await story.apply(plan)

    assert (await story.reviews.apply(review.id, ALICE, apply))[0].state == State.APPLIED
    assert story.applied == ["p1"]
    assert await story.said() == ["opened", "approve", "applying", "applied"]


async def test_what_was_being_applied_when_the_api_server_ended_can_be_applied_again() -> None:
    story = Story()
    review = await story.approved()
    await story.reviews.change(review.id, ALICE, "applying", lambda found, now: deeds.begin_to_apply(found, ALICE, now))
    await story.reviews.recover("another one that ended")
    assert (await story.reviews.get(review.id)).state == State.APPLYING
    await story.reviews.recover("one")
    assert (await story.reviews.get(review.id)).state == State.APPROVED


async def test_the_newest_come_first_in_pages() -> None:
    story = Story()
    for title in ("one", "two", "three"):
        await story.opened(title)
    first, cursor = await story.reviews.page("", 2)
    rest, end = await story.reviews.page(cursor, 2)
    assert [review.title for review in (*first, *rest)] == ["three", "two", "one"]
    assert end == ""


@pytest.mark.parametrize("number", ["nix", "../x", "x" * 1000])
async def test_a_review_that_is_not_there(number: str) -> None:
    with pytest.raises(ReviewUnknown):
        await Story().reviews.get(number)


async def test_talk_fills_a_review_and_keeps_no_decision_from_being_written_down() -> None:
    story = Story()
    review = await story.approved()
    long = "\N{GRINNING FACE}" * MOST_TEXT

    async def talk_on() -> None:
        while True:
            await story.reviews.change(review.id, BOB, "comment", lambda found, now: deeds.comment(found, BOB, now, long))

    with pytest.raises(ReviewFull):
        await talk_on()
    story.error = ApplianceError(long * 2)
    for _ in range(100):
        with pytest.raises(ApplianceError, match=long):
            await story.reviews.apply(review.id, ALICE, story.apply)
    story.error = None
    after, _ = await story.reviews.apply(review.id, ALICE, story.apply)
    assert (after.state, after.messages[-1].deed) == (State.APPLIED, "applied")


async def test_what_is_over_is_kept_for_a_while_and_not_for_ever() -> None:
    story = Story()
    review = await story.approved()
    await story.reviews.apply(review.id, ALICE, story.apply)
    story.now += KEPT - 1
    assert (await story.reviews.get(review.id)).state == State.APPLIED
    story.now += 2
    with pytest.raises(ReviewUnknown):
        await story.reviews.get(review.id)


async def test_many_are_paged_and_recovered_in_pieces() -> None:
    story = Story()
    for number in range(AT_A_TIME * 2 + 3):
        review = await story.opened(str(number))
    first = await story.reviews.change(review.id, BOB, "approve", lambda found, now: deeds.approve(found, BOB, now))
    page, cursor = await story.reviews.page("", AT_A_TIME + 5)
    rest, end = await story.reviews.page(cursor, 100)
    assert [each.title for each in (*page, *rest)] == [str(number) for number in reversed(range(AT_A_TIME * 2 + 3))]
    assert (end, page[0].id, page[0].plan) == ("", first.id, None)
