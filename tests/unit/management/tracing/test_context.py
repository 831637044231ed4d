"""The header `traceparent`."""

from __future__ import annotations

import hashlib
from itertools import count

import pytest

from appliance.management.tracing.context import continued, first, read

TRACE, SPAN = "a" * 32, "b" * 16


def ones(count: int) -> bytes:
    return b"\x01" * count


def test_a_trace_goes_on_with_a_step_of_our_own() -> None:
    assert str(continued(f"00-{TRACE}-{SPAN}-01", ones)) == f"00-{TRACE}-{'01' * 8}-01"
    assert continued(f"42-{TRACE}-{SPAN}-03-more", ones) == (TRACE, "01" * 8, "01")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "garbage",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE.upper()}-{SPAN}-01",
    ],
)
def test_what_is_no_trace_begins_one(header: str) -> None:
    assert read(header) is None
    assert str(continued(header, ones)) == f"00-{'01' * 16}-{'01' * 8}-00"


def test_the_caller_has_decided_what_is_recorded() -> None:
    for flags, recorded in (("00", False), ("01", True), ("02", False), ("ff", True)):
        assert continued(f"00-{TRACE}-{SPAN}-{flags}", ones, 0.5).sampled is recorded, flags


def test_of_new_traces_the_share_is_recorded_that_was_asked_for() -> None:
    numbers = count()

    def entropy(size: int) -> bytes:
        return hashlib.shake_128(str(next(numbers)).encode()).digest(size)

    assert sum(first(0.1, entropy).sampled for _ in range(2000)) == pytest.approx(200, rel=0.2)
    assert not any(first(0.0, entropy).sampled for _ in range(100))
    assert all(first(1.0, entropy).sampled for _ in range(100))
    assert first(1.0, lambda size: b"\xff" * size).sampled
