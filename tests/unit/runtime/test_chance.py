"""Both halves of an attempt to meet by chance, with hands that only count."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

from appliance.api.values import Endpoint
from appliance.foundation.tasks import Tasks
from appliance.members.far_ports import FANNED, SPRAYED
from appliance.members.reflections import Mapping
from appliance.runtime.members.chance import Chance

TARGET = Endpoint("udp", "203.0.113.9", 40001)


class CountingHands:
    """A node whose clock does not wait. After `until` probes the peer is reached directly."""

    def __init__(self, until: int = 10**9) -> None:
        self.until = until
        self.sent: Counter[tuple[int, Endpoint]] = Counter()
        self.open = self.most_open = 0
        self.tasks = Tasks()
        self.services = SimpleNamespace(spawn=self._spawn, sleep=lambda _seconds: asyncio.sleep(0))
        self.around = SimpleNamespace(ports=SimpleNamespace(beside=self._beside))
        self.node = SimpleNamespace(probe_path=self._probe)

    def listener_for(self, _target: Endpoint) -> Any:
        return SimpleNamespace(number=1)

    def is_direct(self, _peer: str) -> bool:
        return self.sent.total() >= self.until

    def settle(self) -> None:
        pass

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self.tasks.spawn(work, name)

    @asynccontextmanager
    async def _beside(self, _listener: Any, count: int = 1) -> AsyncIterator[list[Any]]:
        self.open += count
        self.most_open = max(self.most_open, self.open)
        yield [SimpleNamespace(number=100 + number) for number in range(count)]
        self.open -= count

    def _probe(self, _peer: str, link: int, to: tuple[str, int], _now: float) -> int:
        self.sent[link, Endpoint("udp", *to)] += 1
        return 1


async def attempt(hands: CountingHands, mapping: str) -> None:
    Chance(hands).begin("peer", mapping, TARGET, 0.0)  # type: ignore[arg-type]
    while len(hands.tasks):  # noqa: ASYNC110  no event tells that all tasks have ended
        await asyncio.sleep(0)


async def test_the_side_that_keeps_its_port_sends_to_a_thousand_once_each() -> None:
    hands = CountingHands()
    await attempt(hands, Mapping.INDEPENDENT)
    assert len(hands.sent) == hands.sent.total() == SPRAYED
    assert {(link, target.host) for link, target in hands.sent} == {(1, TARGET.host)}


async def test_it_stops_when_they_have_met() -> None:
    hands = CountingHands(until=100)
    await attempt(hands, Mapping.UNKNOWN)
    assert hands.sent.total() == 100


async def test_the_other_side_sends_from_many_ports_once_each_and_closes_them() -> None:
    hands = CountingHands(until=FANNED)
    await attempt(hands, Mapping.DEPENDENT)
    assert hands.sent == Counter({(100 + number, TARGET): 1 for number in range(FANNED)})
    assert (hands.open, hands.most_open) == (0, FANNED)
