"""A flood of control messages ends in the worker, and leaves room for signs of life."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.testing.clock import ManualClock
from appliance.wire.envelope import PacketType
from appliance.worker.talk import A_SECOND, AT_ONCE, RESERVED, Talk

DATA, ALIVE = PacketType.DATA, PacketType.KEEP_ALIVE


class Rig:
    def __init__(self) -> None:
        self.clock = ManualClock(0.0)
        self.drops: Counter[str] = Counter()
        self.talk = Talk(lambda reason: self.drops.update([reason]), lambda: self.clock.now)

    def passed(self, session: Any, kind: int, count: int) -> int:
        return sum(self.talk.passes(session, kind) for _ in range(count))


@pytest.fixture
def rig() -> Rig:
    return Rig()


def session() -> Any:
    return SimpleNamespace(talk=None)


def test_a_flood_gets_its_share_and_no_more(rig: Rig) -> None:
    flood = session()
    first = rig.passed(flood, DATA, 50_000)
    assert first == AT_ONCE - RESERVED + 1
    assert rig.drops == {"control_busy": 50_000 - first}
    rig.clock.now += 1.0
    assert rig.passed(flood, DATA, 50_000) == pytest.approx(A_SECOND, abs=1)


def test_signs_of_life_pass_in_a_flood(rig: Rig) -> None:
    flood = session()
    rig.passed(flood, DATA, 50_000)
    assert rig.passed(flood, ALIVE, 100) == 100


def test_they_too_end_somewhere(rig: Rig) -> None:
    assert rig.passed(session(), ALIVE, 50_000) == AT_ONCE


def test_another_session_has_a_budget_of_its_own(rig: Rig) -> None:
    rig.passed(session(), DATA, 50_000)
    assert rig.passed(session(), DATA, 100) == 100
