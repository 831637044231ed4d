"""Spans of the node, as the API server follows them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from appliance.api.management import Principal
from appliance.control.conversation import Operation, Request
from appliance.errors import HostError
from appliance.management.tracing.span import Span
from appliance.runtime.management.spans import MOST_AT_ONCE, MOST_WAITING, NodeSpans

TRACE, CALLER = "a" * 32, "b" * 16
RECORDED, UNRECORDED = f"00-{TRACE}-{CALLER}-01", f"00-{TRACE}-{CALLER}-00"
ALICE = Principal("api", "alice")


async def followed(spans: NodeSpans) -> AsyncGenerator[dict[str, Any], None]:
    following = spans.follow()
    assert await anext(following) == {"spans": [], "dropped": 0}
    return following


async def test_an_operation_that_is_asked_for_in_a_recorded_step_has_a_span() -> None:
    async def status(_request: Request) -> str:
        return "well"

    async def reload(_request: Request) -> str:
        raise HostError("what is wrong is the admin's to know")

    async def events(_request: Request) -> AsyncGenerator[str, None]:
        yield "one"

    spans = NodeSpans()
    operations = {"status": Operation("r", status), "reload": Operation("c", reload), "events": Operation("r", events)}
    around = spans.around(operations)
    assert await around["status"].handler(Request(ALICE, {}, trace=RECORDED)) == "well"  # nobody follows
    following = await followed(spans)
    for trace in ("", UNRECORDED, "garbage"):
        assert await around["status"].handler(Request(ALICE, {}, trace=trace)) == "well"
    assert [item async for item in around["events"].handler(Request(ALICE, {}, trace=RECORDED))] == ["one"]
    assert await around["status"].handler(Request(ALICE, {}, trace=RECORDED)) == "well"
    with pytest.raises(HostError):
        await around["reload"].handler(Request(ALICE, {}, trace=RECORDED))
    told = map(Span.of, (await anext(following))["spans"])
    assert [(span.name, span.parent, span.error, span.process) for span in told] == [
        ("node status", CALLER, "", "node"),
        ("node reload", CALLER, "HostError", "node"),
    ]
    await following.aclose()


async def test_a_stream_goes_on_as_it_came_until_somebody_follows() -> None:
    spans = NodeSpans()
    spans.use(1.0)
    for said in ("", RECORDED, UNRECORDED):
        assert spans.stream("client", "connect echo", said, {}) == (said, None)
    following = await followed(spans)
    assert spans.stream("client", "connect echo", UNRECORDED, {}) == (UNRECORDED, None)
    passed_on, span = spans.stream("client", "connect echo", RECORDED, {"appliance.peer": "left"})
    assert span is not None
    assert passed_on == f"00-{TRACE}-{span.trace.span}-01"
    assert spans.stream("server", "serve echo", "", {})[1] is not None, "one that begins here"
    spans.use(0.0)
    begun, nothing = spans.stream("client", "connect echo", "", {})
    assert (begun[-2:], nothing) == ("00", None), "the other node learns that it is not recorded"
    await following.aclose()
    assert not spans.followed


async def test_what_has_no_place_is_counted() -> None:
    spans = NodeSpans()
    following = await followed(spans)
    for _ in range(MOST_WAITING + 5):
        _, span = spans.stream("client", "connect echo", RECORDED, {})
        assert span is not None
        span.end()
    first = await anext(following)
    assert (len(first["spans"]), first["dropped"]) == (MOST_AT_ONCE, 5)
    number = MOST_AT_ONCE
    while number < MOST_WAITING:
        item = await anext(following)
        assert item["dropped"] == 0
        number += len(item["spans"])
    await following.aclose()
