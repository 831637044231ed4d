"""Spans of both processes come together in the API server."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

import pytest

from appliance.api.profile_management import ManagementTracing
from appliance.api_server.tracing import part as module
from appliance.api_server.tracing.part import Joints, TracingPart
from appliance.errors import HostError
from appliance.management.tracing.span import Kind
from appliance.runtime.management.spans import NodeSpans
from tests.rigs.collector import collecting


class Node:
    """The node's end: real spans, and what it is told."""

    def __init__(self) -> None:
        self.spans = NodeSpans()
        self.told: list[Mapping[str, Any]] = []
        self.fails: Exception | None = None
        self.token = "1"

    @property
    def joints(self) -> Joints:
        return Joints(self.follow, self.headers, self.tell)

    def follow(self) -> AsyncGenerator[Mapping[str, Any], None]:
        return self.spans.follow()

    async def headers(self) -> Mapping[str, str]:
        if self.fails is not None:
            raise self.fails
        return {"authorization": f"Bearer {self.token}"}

    async def tell(self, figures: Mapping[str, Any]) -> None:
        self.told.append(figures)

    def stream(self) -> None:
        _, span = self.spans.stream("client", "connect echo", f"00-{'a' * 32}-{'b' * 16}-01", {})
        assert span is not None
        span.end()


async def until(so: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not so():  # noqa: ASYNC110  nobody tells
            await asyncio.sleep(0.01)


async def begun(node: Node, **tracing: Any) -> TracingPart:
    part = TracingPart(ManagementTracing.model_validate(tracing), node.joints, {"service.version": "1"})
    await part.open()
    await until(lambda: node.spans.followed)
    return part


async def test_spans_of_node_and_api_server_are_remembered_without_a_collector() -> None:
    node = Node()
    part = await begun(node)
    node.stream()
    _, request = part.recorder.request(f"00-{'a' * 32}-{'b' * 16}-01", "GET", Kind.SERVER)
    assert request is not None
    request.end()
    await until(lambda: (found := part.recent.get("a" * 32)) and len(found.steps) == 2)
    assert part.shown() == {"sample": 1.0, "collector": "", "sent": 0, "dropped": {}, "waiting": 0, "problem": ""}
    await part.close()
    assert not node.spans.followed


async def test_a_collector_gets_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node()
    monkeypatch.setattr(module, "TELL_EVERY", 0.01)
    with collecting() as collector:
        part = await begun(node, otlp=f"http://127.0.0.1:{collector.port}")
        node.stream()
        await asyncio.to_thread(collector.wait, lambda spans: spans)
        await until(lambda: node.told[-1]["sent"] == 1)
        collector.status = 401
        node.stream()
        await until(lambda: node.told[-1]["problem"] == "it answers 401")
        assert node.told[-1]["dropped"] == {"not-taken": 1}
        await part.close()


async def test_a_token_that_is_replaced_is_in_use_and_a_file_that_is_not_there_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = Node()
    monkeypatch.setattr(module, "LOOK_EVERY", 0.01)
    with collecting() as collector:
        part = await begun(node, otlp=f"http://127.0.0.1:{collector.port}", headers="/etc/appliance/headers")
        node.token = "2"
        while not collector.headers or collector.headers[-1]["authorization"] != "Bearer 2":
            node.stream()
            await asyncio.to_thread(collector.asked, len(collector.headers) + 1)
        node.fails = HostError("/etc/appliance/headers: No such file or directory")
        node.stream()
        await asyncio.to_thread(collector.asked, len(collector.headers) + 1)
        assert collector.headers[-1]["authorization"] == "Bearer 2"
        await until(lambda: "No such file" in part.shown()["problem"])
        await part.close()


async def test_a_file_that_is_mended_is_in_use_without_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node()
    node.fails = HostError("/etc/appliance/headers has mode 0644: others can read it")
    monkeypatch.setattr(module, "LOOK_EVERY", 0.01)
    with collecting() as collector:
        part = await begun(node, otlp=f"http://127.0.0.1:{collector.port}", headers="/etc/appliance/headers")
        assert "0644" in part.shown()["problem"]
        node.fails = None
        await until(lambda: not part.shown()["problem"])
        node.stream()
        await asyncio.to_thread(collector.wait, lambda spans: spans)
        await part.close()


@pytest.mark.parametrize(
    ("tracing", "fails", "problem"),
    [
        ({"otlp": "http://127.0.0.1:9"}, HostError("/x: others can read it", hint="chmod"), "others can read it"),
        ({"otlp": "https://127.0.0.1:9", "authorities": "/nowhere/ca.pem"}, None, "/nowhere/ca.pem"),
        ({"otlp": "http://127.0.0.1:9"}, None, "pip install 'appliance[otel]'"),
    ],
)
async def test_what_keeps_spans_from_being_sent_is_told_and_all_else_works(
    tracing: dict[str, Any], fails: Exception | None, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Node()
    node.fails = fails
    if "otel" in problem:
        monkeypatch.delitem(sys.modules, "appliance.api_server.tracing.otlp", raising=False)
        monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)  # as where it is not installed
    part = await begun(node, **tracing)
    node.stream()
    await until(lambda: part.recent.get("a" * 32))
    await until(lambda: node.told)
    assert problem in node.told[-1]["problem"]
    await part.close()


async def test_the_node_is_followed_again_and_says_how_many_had_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.0)
    node, times = Node(), 0

    async def follow() -> AsyncGenerator[Mapping[str, Any], None]:
        nonlocal times
        times += 1
        yield {"spans": [], "dropped": 3}

    part = TracingPart(ManagementTracing(), node.joints._replace(follow=follow), {})
    await part.open()
    await until(lambda: times >= 2)
    assert part.shown()["dropped"]["node"] >= 3
    await part.close()
