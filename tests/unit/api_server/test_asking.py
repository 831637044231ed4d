"""What many ask at once is asked of the node once, and nobody gets an answer that is another's."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest

from appliance.api_server.asking import MOST_PAGES, OLDEST, Asking
from appliance.api_server.breaker import MISSES, NodeSilent
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


async def silence(asking: Asking) -> None:
    """The node is asked until nobody waits for it any more."""
    for _ in range(MISSES):
        with suppress(TimeoutError, NodeSilent):
            await asking.ask("rollback", {}, None, 1.0)


async def test_while_the_node_does_not_answer_it_is_told_what_it_said_last_and_how_old_that_is() -> None:
    node = Node({"name": "gateway"})
    node.go.set()
    asking = node.asking()
    first = await asking.told(STATUS, Nothing(), ALICE)
    assert (json.loads(first.body), first.age) == ({"name": "gateway"}, None)
    node.now, node.answer = 10.0, TimeoutError()
    assert await asking.told(STATUS, Nothing(), ALICE) == (first.body, 10.0), "who waited for the first one hears it too"
    await silence(asking)
    asked = len(node.asked)
    node.now = 11.9
    assert await asking.told(STATUS, Nothing(), ALICE) == (first.body, 11.9)
    assert asking.shown() | {"refused": 0} == {"state": "open", "opened": 1, "refused": 0, "old": 2}
    assert len(node.asked) == asked, "nobody waited for the node"
    with pytest.raises(NodeSilent):
        await asking.told(STATUS, Nothing(), BOB)  # nobody is told what somebody else was
    with pytest.raises(NodeSilent):
        await asking.answer(STATUS, Nothing(), ALICE)  # nor is a job that decides by it
    node.now, node.answer = 100.0, {"name": "again"}
    assert json.loads((await asking.told(STATUS, Nothing(), ALICE)).body) == {"name": "again"}
    assert asking.shown()["state"] == "closed"


@pytest.mark.parametrize("name", ["health", "profile"])
async def test_health_and_what_is_asked_each_time_are_never_old(name: str) -> None:
    node = Node({"ok": True})
    node.go.set()
    asking = node.asking()
    await asking.told(BY_NAME[name], Nothing(), ALICE)
    node.now, node.answer = 5.0, TimeoutError()
    await silence(asking)
    with pytest.raises((NodeSilent, TimeoutError)):
        await asking.told(BY_NAME[name], Nothing(), ALICE)


async def test_what_is_too_old_says_nothing() -> None:
    node = Node({"ok": True})
    node.go.set()
    asking = node.asking()
    await asking.told(STATUS, Nothing(), ALICE)
    node.now, node.answer = OLDEST + 1, TimeoutError()
    with pytest.raises(TimeoutError):
        await asking.told(STATUS, Nothing(), ALICE)


async def test_a_node_that_refuses_answers_all_the_same() -> None:
    node = Node(ApplianceError("no"))
    node.go.set()
    asking = node.asking()
    for _ in range(2 * MISSES):
        with pytest.raises(ApplianceError):
            await asking.answer(ROLLBACK, Nothing(), ALICE)
    assert asking.shown()["state"] == "closed"


async def test_an_answer_is_written_once_for_all_and_each_page_of_it() -> None:
    node = Node([{"name": f"peer-{number:03}"} for number in range(300)])
    node.go.set()
    asking = node.asking()
    bodies = [(await asking.told(PEERS, Page(limit=100), ALICE)).body for _ in range(3)]
    assert bodies[0] is bodies[1] is bodies[2]
    second = json.loads((await asking.told(PEERS, Page(limit=100, after="100"), ALICE)).body)
    assert (second["items"][0]["name"], second["next"]) == ("peer-100", "200")
    many = [(await asking.told(PEERS, Page(limit=1, after=str(number)), ALICE)).body for number in range(2 * MOST_PAGES)]
    assert json.loads(many[-1])["items"] == [{"name": f"peer-{2 * MOST_PAGES - 1:03}"}]
    node.now = PEERS.fresh + 0.1
    assert (await asking.told(PEERS, Page(limit=100), ALICE)).body is not bodies[0]


async def test_only_the_last_answer_is_kept_however_often_it_is_asked() -> None:
    node = Node({"ok": True})
    node.go.set()
    asking = node.asking()
    for look in range(20):
        node.now = look * 10.0
        await asking.answer(STATUS, Nothing(), ALICE)
    (kept,) = asking._kept.values()
    assert kept.before is not None
    assert kept.before.before is None
