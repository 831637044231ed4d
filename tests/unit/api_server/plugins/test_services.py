"""What the core gives to what plugins bring to the API server."""

from __future__ import annotations

import asyncio
from pathlib import Path

from appliance.api_server.plugins.services import LONGEST_REPORT, MOST_UNTOLD, Joints, PartServices


class Node:
    def __init__(self) -> None:
        self.told: list[str] = []

    async def secret(self, reference: str) -> bytes:
        return reference.encode()

    async def tell_part(self, key: str, name: str, problem: str) -> None:
        self.told.append(f"{key}.{name}: {problem}")


async def test_trouble_is_told_once_and_what_was_told_last_is_told_before_the_end(tmp_path: Path) -> None:
    node = Node()
    services = PartServices(Joints("n", "f", node, tmp_path, {}), "plugin", "exports", "pipe")
    for problem in ("down", "down", ""):
        services.report(problem)
    services.report("x" * 1000)
    await services.close()
    assert node.told == ["exports.pipe: down", "exports.pipe: ", f"exports.pipe: {'x' * LONGEST_REPORT}"]


async def test_what_the_parts_of_a_plugin_share_and_keep_is_its_own(tmp_path: Path) -> None:
    joints = Joints("n", "f", Node(), tmp_path, {})
    one, two, other = (PartServices(joints, plugin, "exports", "x") for plugin in ("p", "p", "q"))
    one.shared["pool"] = 1
    one.storage.write("state", b"s")
    assert two.shared == {"pool": 1}
    assert two.storage.read("state") == b"s"
    assert not other.shared
    assert other.storage.read("state") is None


async def test_figures_are_told_and_a_source_that_fails_is_trouble(tmp_path: Path) -> None:
    node = Node()
    services = PartServices(Joints("n", "f", node, tmp_path, {}), "plugin", "exports", "pipe")
    services.stats_from(lambda: {"sent": 3})
    services.stats_from(lambda: {"nonsense": object()})  # type: ignore[dict-item]
    assert services.figures() == {"sent": 3}
    await services.end_tasks()
    assert services.figures() == {}
    await services.close()
    assert "its figures: raised TypeError" in node.told[0]


async def test_a_task_that_fails_is_trouble_and_ends_with_the_part(tmp_path: Path) -> None:
    node = Node()
    services = PartServices(Joints("n", "f", node, tmp_path, {}), "plugin", "exports", "pipe")

    async def fail() -> None:
        raise ValueError("no")

    ended = asyncio.Event()

    async def stay() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    services.spawn(fail(), "fails")
    services.spawn(stay(), "stays")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await services.close()
    assert "ValueError: no" in node.told[0]
    assert ended.is_set()


async def test_of_a_thousand_troubles_at_once_the_node_hears_a_few_one_after_the_other_and_the_last(tmp_path: Path) -> None:
    under_way = most = 0

    class SlowNode(Node):
        async def tell_part(self, key: str, name: str, problem: str) -> None:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0)
            under_way -= 1
            await super().tell_part(key, name, problem)

    node = SlowNode()
    services = PartServices(Joints("n", "f", node, tmp_path, {}), "plugin", "exports", "pipe")
    for number in range(1000):
        services.report(f"trouble {number}")
        await asyncio.sleep(0)
    await services.close()
    assert most == 1
    assert 1 < len(node.told) <= 2 * MOST_UNTOLD
    assert node.told[-1] == "exports.pipe: trouble 999"
