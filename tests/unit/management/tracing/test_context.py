"""The header `traceparent`."""

from __future__ import annotations

import pytest

from appliance.management.tracing.context import continued

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
    assert str(continued(header, ones)) == f"00-{'01' * 16}-{'01' * 8}-00"
