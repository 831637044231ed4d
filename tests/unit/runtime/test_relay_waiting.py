"""Dials that wait for a session with a relay."""

from __future__ import annotations

import asyncio

from appliance.api.values import Endpoint
from appliance.runtime.members.relays.waiting import Waiting

OVER = {relay: Endpoint("relay", "", 0, f"llp1:{relay}") for relay in ("near", "far")}


def test_what_waits_for_a_relay_goes_on_when_it_is_there() -> None:
    async def story() -> None:
        waiting = Waiting(lambda _peer, _endpoint: None)
        dials = [asyncio.create_task(waiting.news(relay)) for relay in ("near", "near", "far")]
        await asyncio.sleep(0)
        waiting.there("near")
        await asyncio.gather(*dials[:2])
        assert not dials[2].done()
        waiting.there("far")
        await dials[2]

    asyncio.run(story())


def test_who_waits_for_a_relay_behind_a_relay_that_is_not_there_waits_no_longer() -> None:
    async def story() -> None:
        waiting = Waiting(lambda _peer, _endpoint: None)
        dial = asyncio.create_task(waiting.news("far"))
        await asyncio.sleep(0)
        waiting.failed("near", "far", OVER["near"])
        await dial

    asyncio.run(story())


def test_what_failed_for_want_of_a_relay_is_tried_again_once_when_it_is_there() -> None:
    tried: list[tuple[str, Endpoint]] = []
    waiting = Waiting(lambda peer, endpoint: tried.append((peer, endpoint)))
    for _ in range(3):
        waiting.failed("near", "far", OVER["near"])
        waiting.failed("far", "laptop", OVER["far"])
    waiting.there("near")
    assert tried == [("far", OVER["near"])]
    waiting.there("far")
    assert tried[1:] == [("laptop", OVER["far"])]
    for relay in OVER:
        waiting.there(relay)
    assert len(tried) == 2
