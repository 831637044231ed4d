"""The loop belongs to all: strangers' work gets a part of each turn of it, counted here in seconds that only steps take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from appliance_discovery_libp2p.net.turns import REST_SECONDS, TASK_SECONDS, TURN_SECONDS, Turns
from tests.rigs.libp2p.nodes import until

STEP_SECONDS = 0.001


class Clock:
    """Goes on when work is done."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.did: list[str] = []
        self.steps_by_turn: list[int] = []
        self.turns = Turns(lambda: self.seconds)

    def work(self, name: str, steps: int) -> Callable[[], bool]:
        """So many steps."""
        left = steps

        def step() -> bool:
            nonlocal left
            left -= 1
            self.seconds += STEP_SECONDS
            self.did.append(name)
            return left > 0

        return step

    async def watch(self, steps: int) -> None:
        """Note after each turn of the loop how much was done in it, until all is done."""
        seen = 0
        while seen < steps:
            await asyncio.sleep(0)
            if len(self.did) > seen:
                self.steps_by_turn.append(len(self.did) - seen)
                seen = len(self.did)


async def test_all_together_hold_the_loop_for_a_turn_at_most_and_others_have_it_between() -> None:
    clock = Clock()
    for one in range(40):
        clock.turns.add(one, clock.work(str(one), 3))
    async with asyncio.timeout(60):
        await clock.watch(120)
    assert max(clock.steps_by_turn) <= TURN_SECONDS / STEP_SECONDS
    assert clock.did[:40] == [str(one) for one in range(40)]


async def test_after_a_turn_that_did_not_suffice_others_have_the_loop_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []
    loop = asyncio.get_running_loop()
    later = loop.call_later
    monkeypatch.setattr(loop, "call_later", lambda delay, work: (rests.append(delay), later(0, work))[1])
    clock = Clock()
    clock.turns.add("one", clock.work("one", 12))
    async with asyncio.timeout(60):
        await clock.watch(12)
    assert rests == [REST_SECONDS] * 2


async def test_who_has_much_to_do_keeps_nobody_waiting() -> None:
    clock = Clock()
    for _ in range(100):
        clock.turns.add("flooder", clock.work("flooder", 10))
    clock.turns.add("other", clock.work("other", 2))
    await until(lambda: "other" in clock.did)
    assert clock.did.index("other") == 1


async def test_tasks_that_wait_for_their_turn_count_before_they_run() -> None:
    clock = Clock()

    async def wait(number: int) -> None:
        await clock.turns.turn(number)
        clock.did.append(str(number))

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for number in range(100):
            group.create_task(wait(number))
        await clock.watch(100)
    assert max(clock.steps_by_turn) <= round(TURN_SECONDS / TASK_SECONDS)


async def test_a_step_may_add_another_and_who_gave_up_waiting_has_no_turn() -> None:
    clock = Clock()

    def adds() -> bool:
        clock.turns.add("one", clock.work("added", 1))
        return False

    given_up = asyncio.create_task(clock.turns.turn("one"))
    await asyncio.sleep(0)
    given_up.cancel()
    clock.turns.add("one", adds)
    await until(lambda: clock.did == ["added"])
    assert not clock.turns._waiting
