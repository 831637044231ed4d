"""Whose trace a call belongs to."""

from __future__ import annotations

import asyncio
import sys
from types import SimpleNamespace

import pytest

from appliance.sdk.tracing import continued, current

ONE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


def test_it_is_the_one_that_is_continued_and_none_outside() -> None:
    with continued(ONE):
        with continued(OTHER):
            assert current() == OTHER
        assert current() == ONE
    assert not current()


async def test_tasks_that_begin_inside_inherit_it_and_keep_it_to_themselves() -> None:
    async def seen() -> str:
        await asyncio.sleep(0)
        return current()

    async def inside() -> str:
        with continued(ONE):
            return await asyncio.create_task(seen())

    assert await asyncio.gather(inside(), seen()) == [ONE, ""]


@pytest.mark.parametrize(
    "text", ["x", ONE.upper(), ONE[:-1], f"00-{'0' * 32}-b7ad6b7169203331-01", ONE.replace("b7ad6b7169203331", "0" * 16)]
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="traceparent"), continued(text):
        raise AssertionError


def test_the_span_of_opentelemetry_counts_where_a_program_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    span = SimpleNamespace(is_valid=True, trace_id=0xABC, span_id=0xDEF, trace_flags=1)
    trace = SimpleNamespace(get_current_span=lambda: SimpleNamespace(get_span_context=lambda: span))
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", trace)
    assert current() == f"00-{'abc':0>32}-{'def':0>16}-01"
    with continued(ONE):
        assert current() == ONE
    span.is_valid = False
    assert not current()
