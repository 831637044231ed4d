"""What stands around a call."""

from __future__ import annotations

import asyncio

import pytest

from appliance.errors import ApplianceError
from appliance.sdk.errors import TooManyCalls
from appliance.sdk.interceptors import Call, Proceed, RateLimit, Tally, chained
from tests.unit.sdk.test_retrying import World


async def innermost(call: Call) -> str:
    return f"{call.service} {sorted(call.metadata)}"


async def test_the_first_is_outermost_and_each_may_change_the_call() -> None:
    order = []

    def adds(key: str):  # noqa: ANN202
        async def interceptor(call: Call, proceed: Proceed[str]) -> str:
            order.append(key)
            call.metadata[key] = "1"
            return await proceed(call)

        return interceptor

    assert await chained([adds("b"), adds("a")], innermost)(Call("x", "echo")) == "echo ['a', 'b']"
    assert order == ["b", "a"]


async def test_one_may_refuse_or_answer_by_itself() -> None:
    async def refuses(_call: Call, _proceed: Proceed[str]) -> str:
        raise ApplianceError("not today")

    async def answers(_call: Call, _proceed: Proceed[str]) -> str:
        return "mine"

    with pytest.raises(ApplianceError, match="not today"):
        await chained([refuses, answers], innermost)(Call("x", "echo"))
    assert await chained([answers, refuses], innermost)(Call("x", "echo")) == "mine"


async def test_more_calls_than_allowed_wait_their_turn() -> None:
    world = World()
    limit = RateLimit[str](10, world.around)
    begun = []
    for _ in range(30):
        await limit(Call("x", "echo", deadline_s=5), innermost)
        begun.append(world.time)
    assert begun[0] == begun[9] == 0.0
    assert begun[29] == pytest.approx(2.0)
    world.time += 100
    await limit(Call("x", "echo", deadline_s=5), innermost)
    assert limit.waited == 20


async def test_a_turn_after_the_deadline_is_refused_at_once() -> None:
    limit = RateLimit[str](1, World().around)
    await limit(Call("x", "echo"), innermost)
    with pytest.raises(TooManyCalls):
        await limit(Call("x", "echo", deadline_s=0.5), innermost)


async def test_how_calls_end_is_counted() -> None:
    tally = Tally[str](World().around)

    async def ends(call: Call) -> str:
        match call.service:
            case "refused":
                raise TooManyCalls("no")
            case "broken":
                raise ValueError
            case "left":
                raise asyncio.CancelledError
        return "fine"

    for service in ("fine", "fine", "refused", "broken", "left"):
        await asyncio.gather(tally(Call("x", service), ends), return_exceptions=True)
    assert tally.ended == {"ok": 2, "TooManyCalls": 1, "ValueError": 1, "cancelled": 1}
