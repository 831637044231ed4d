"""Many hear the same, each at its own pace."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from appliance.control.feed import Feed, Missed


async def test_each_hears_all_from_when_it_came_on() -> None:
    feed = Feed()
    feed.say("before")
    async with aclosing(feed.follow(lambda: "first")) as one:
        assert await anext(one) == "first"
        feed.say(1)
        async with aclosing(feed.follow(lambda: "first")) as other:
            assert await anext(other) == "first"
            feed.say(2)
            assert [await anext(one), await anext(one), await anext(other)] == [1, 2, 2]
            assert len(feed) == 2
    assert len(feed) == 0


async def test_nothing_is_missed_between_the_first_and_the_rest() -> None:
    feed = Feed()

    def first() -> str:
        feed.say("meanwhile")
        return "first"

    async with aclosing(feed.follow(first)) as one:
        assert [await anext(one), await anext(one)] == ["first", "meanwhile"]


async def test_who_does_not_keep_up_hears_how_many_it_missed_and_then_the_latest() -> None:
    feed = Feed(most=3)
    async with aclosing(feed.follow(lambda: "first")) as slow, aclosing(feed.follow(lambda: "first")) as quick:
        await anext(slow)
        await anext(quick)
        for number in range(10):
            feed.say(number)
            if number < 5:
                assert await anext(quick) == number
        assert [await anext(slow) for _ in range(4)] == [Missed(7), 7, 8, 9]
        assert [await anext(quick) for _ in range(4)] == [Missed(2), 7, 8, 9]
        feed.say(10)
        assert await anext(slow) == 10


async def test_who_waits_is_woken() -> None:
    feed = Feed()
    async with aclosing(feed.follow(lambda: "first")) as one:
        await anext(one)
        waiting = asyncio.ensure_future(anext(one))
        await asyncio.sleep(0)
        assert not waiting.done()
        feed.say("now")
        assert await waiting == "now"
