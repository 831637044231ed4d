"""A session is kept for as long as somebody wants it, whoever else stops wanting it."""

from __future__ import annotations

import asyncio

from appliance.runtime.members.wanted import WantedSessions
from tests.rigs.virtual_loop import played


def test_it_is_kept_until_the_last_one_lets_go() -> None:
    told: list[tuple[str, bool]] = []
    wanted = WantedSessions(lambda identity, alive: told.append((identity, alive)))
    wanted.hold("a", "neighbours")
    wanted.hold("a", "renewal")
    wanted.release("a", "neighbours")
    assert told == [("a", True)]
    wanted.release("a", "neighbours")
    wanted.release("a", "renewal")
    wanted.release("b", "renewal")
    assert told == [("a", True), ("a", False)]


def test_a_call_ends_by_itself_and_a_later_one_counts_on() -> None:
    async def story() -> None:
        told: list[bool] = []
        wanted = WantedSessions(lambda _identity, alive: told.append(alive))
        wanted.call("a", "dht", 10.0)
        await asyncio.sleep(6.0)
        wanted.call("a", "dht", 10.0)
        await asyncio.sleep(9.0)
        assert told == [True], "nobody lets go in between"
        await asyncio.sleep(2.0)
        assert told == [True, False]
        wanted.call("a", "dht", 10.0)
        wanted.close()
        await asyncio.sleep(20.0)
        assert told == [True, False, True], "the node has stopped"

    played(story())
