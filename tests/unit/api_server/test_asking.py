"""What many ask at once is asked of the node once, and nobody gets an answer that is another's."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from appliance.api_server.asking import Asking
from appliance.control.messages import OnBehalf
from appliance.errors import ApplianceError
from appliance.management.operations.row import Nothing, Page
from appliance.management.operations.table import BY_NAME

ALICE, BOB = OnBehalf("alice", ("viewer",), "r1"), OnBehalf("bob", ("viewer",), "r2")
STATUS, PEERS, ROLLBACK = BY_NAME["status"], BY_NAME["peers"], BY_NAME["rollback"]


class Node:
    """Answers when it is let to."""

    def __init__(self, answer: Any = None) -> None:
        self.asked: list[tuple[str, str]] = []
        self.answer = answer
        self.go = asyncio.Event()
        self.now = 0.0

    async def ask(self, op: str, arguments: dict[str, Any], whose: OnBehalf | None, seconds: float, /) -> Any:
        assert seconds > 0
        self.asked.append((op, whose.name if whose else ""))
        await self.go.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return {"arguments": arguments} if self.answer is None else self.answer

    def asking(self) -> Asking:
        return Asking(self.ask, lambda: self.now)


async def test_what_one_user_asks_at_once_is_asked_once_and_again_when_it_is_old() -> None:
    node = Node()
    asking = node.asking()
    both = asyncio.gather(*(asking.answer(STATUS, Nothing(), ALICE) for _ in range(50)))
    await asyncio.sleep(0)
    node.go.set()
    await both
    assert node.asked == [("status", "alice")]
    node.now = STATUS.fresh + 0.01
    await asking.answer(STATUS, Nothing(), ALICE)
    assert len(node.asked) == 2


async def test_each_user_is_judged_by_the_node_for_herself() -> None:
    node = Node()
    node.go.set()
    asking = node.asking()
    for whose in (ALICE, BOB, ALICE._replace(roles=("admin",))):
        await asking.answer(STATUS, Nothing(), whose)
    assert len(node.asked) == 3


async def test_what_changes_something_is_asked_each_time() -> None:
    node = Node()
    node.go.set()
    asking = node.asking()
    for _ in range(2):
        await asking.answer(ROLLBACK, Nothing(), ALICE)
    assert len(node.asked) == 2


async def test_a_caller_that_goes_takes_the_answer_from_nobody() -> None:
    node = Node({"name": "x"})
    asking = node.asking()
    gone = asyncio.ensure_future(asking.answer(STATUS, Nothing(), ALICE))
    stays = asyncio.ensure_future(asking.answer(STATUS, Nothing(), ALICE))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    node.go.set()
    assert await stays == {"name": "x"}


async def test_an_error_is_everybody_s_who_asked_with_him() -> None:
    node = Node(ApplianceError("no"))
    node.go.set()
    with pytest.raises(ApplianceError):
        await node.asking().answer(STATUS, Nothing(), ALICE)


async def test_a_list_comes_in_pages_by_its_key() -> None:
    node = Node([{"name": name} for name in "dbca"])
    node.go.set()
    asking = node.asking()
    first = await asking.answer(PEERS, Page(limit=3), ALICE)
    assert [item["name"] for item in first["items"]] == ["a", "b", "c"]
    second = await asking.answer(PEERS, Page(limit=3, after=first["next"]), ALICE)
    assert second == {"items": [{"name": "d"}], "next": ""}


@pytest.mark.parametrize("after", ["-1", "x", "9" * 30, "²"])
async def test_a_cursor_that_is_none_begins_at_the_start(after: str) -> None:
    node = Node([{"name": "a"}])
    node.go.set()
    assert (await node.asking().answer(PEERS, Page(after=after), ALICE))["items"] == [{"name": "a"}]
