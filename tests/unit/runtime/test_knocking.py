"""What a node does for peers that ask to be knocked at, and what it makes of what they say of its ports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.api.peer_protocol import Answer, TimedOut
from appliance.api.values import Endpoint
from appliance.foundation.tasks import Tasks
from appliance.members.candidates import Judge
from appliance.members.reflections import Mapping as NatMapping
from appliance.runtime.members.knocking import KNOCKS, MOST_TOKENS, Knocking

HERE = Endpoint("udp", "198.51.100.7", 8443)
ELSEWHERE = Endpoint("udp", "192.0.2.66", 53)
RELAY = Endpoint("relay", "", 0, "llp1:x")


class Hands:
    """A node with a session to each peer by that way; `says` is what a peer answers."""

    def __init__(self, way: Endpoint = HERE, says: Mapping[str, Any] | None = None) -> None:
        self.way = way
        self.says = says
        self.sent: list[tuple[int, Endpoint]] = []
        self.tasks = Tasks()
        self.services = SimpleNamespace(spawn=self._spawn, sleep=lambda _seconds: asyncio.sleep(0), ask=self._ask)
        self.around = SimpleNamespace(ports=SimpleNamespace(beside=self._beside), refuses=lambda *_: {})

    def session(self, _peer: str) -> Any:
        return SimpleNamespace(endpoint=self.way)

    def is_direct(self, _peer: str) -> bool:
        return self.way.scheme == "udp"

    def listener_for(self, _target: Endpoint) -> Any:
        return SimpleNamespace(number=1)

    def settle(self) -> None:
        pass

    def probe(self, _peer: str, link: int, target: Endpoint) -> int:
        self.sent.append((link, target))
        return len(self.sent)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self.tasks.spawn(work, name)

    @asynccontextmanager
    async def _beside(self, _listener: Any, count: int = 1) -> AsyncIterator[list[Any]]:
        yield [SimpleNamespace(number=100 + number, local=HERE._replace(port=50000 + number)) for number in range(count)]

    async def _ask(self, _peer: str, _kind: str, _content: Mapping[str, Any], *, within: float) -> Answer:
        if self.says is None:
            raise TimedOut(within)
        return Answer(self.says)


def knocking(hands: Hands) -> Knocking:
    return Knocking(hands, Judge())  # type: ignore[arg-type]


async def done(hands: Hands) -> list[tuple[int, Endpoint]]:
    while len(hands.tasks):  # noqa: ASYNC110  no event tells that all tasks have ended
        await asyncio.sleep(0)
    return hands.sent


async def test_a_peer_that_is_spoken_with_directly_is_knocked_at_where_it_is_whatever_it_names() -> None:
    hands = Hands()
    assert knocking(hands).take_knock("peer", {"at": str(ELSEWHERE)}) == Answer({})
    assert await done(hands) == [(100, HERE)] * KNOCKS


async def test_one_behind_a_relay_is_knocked_at_where_it_says_if_that_does_no_harm() -> None:
    hands = Hands(RELAY)
    asked = knocking(hands)
    assert asked.take_knock("peer", {"at": "udp://224.0.0.1:5353"}) is None
    assert asked.take_knock("peer", {}) is None
    assert asked.take_knock("peer", {"at": str(ELSEWHERE)}) == Answer({})
    assert await done(hands) == [(100, ELSEWHERE)] * KNOCKS


async def test_who_asks_again_and_again_is_refused() -> None:
    hands = Hands()
    asked = knocking(hands)
    assert [asked.take_knock("peer", {}) for _ in range(100)].count(None) == 99
    await done(hands)


def test_where_tokens_came_from_is_told_to_their_sender_alone_and_for_a_few() -> None:
    asked = knocking(Hands())
    for token in range(2 * MOST_TOKENS):
        asked.heard("peer", token, HERE._replace(port=1000 + token))
    answer = asked.take_where("peer", {"tokens": [f"{token:016x}" for token in (0, 31)]})
    assert answer == Answer({"at": {f"{31:016x}": "udp://198.51.100.7:1031"}})
    assert asked.take_where("other", {"tokens": [f"{31:016x}"]}) == Answer({"at": {}})
    for nonsense in (None, {}, "x", 7):
        assert asked.take_where("peer", {"tokens": nonsense}) is None
    assert asked.take_where("peer", {"tokens": [None, 7, {}, []]}) == Answer({"at": {}})


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (20000, 20001, (NatMapping.SEQUENTIAL, Endpoint("udp", "203.0.113.9", 20002))),
        (31000, 5000, (NatMapping.DEPENDENT, None)),
        (50000, 50001, (NatMapping.UNKNOWN, None)),
    ],
)
async def test_two_fresh_flows_tell_how_the_nat_gives_ports(first: int, second: int, told: object) -> None:
    says = {"at": {f"{number:016x}": f"udp://203.0.113.9:{port}" for number, port in ((1, first), (2, second))}}
    assert await knocking(Hands(says=says)).foretell(["peer"]) == told


@pytest.mark.parametrize("says", [None, {}, {"at": None}, {"at": {"x": 1}}, {"at": {f"{1:016x}": "udp://203.0.113.9:1"}}])
async def test_a_peer_that_says_nothing_of_use_tells_nothing(says: Mapping[str, Any] | None) -> None:
    assert await knocking(Hands(says=says)).foretell(["peer"]) == (NatMapping.UNKNOWN, None)
