"""Events as the lines that browsers read, and the cursors that they give back."""

from __future__ import annotations

import pytest

from appliance.management.jobs.events import Beat, Event, Stale
from appliance.management.jobs.sse import CursorInvalid, cursor_of, item_of, sse_of


def test_an_event_has_its_id_its_kind_and_one_line() -> None:
    assert sse_of(Event(7, "node.health", '{"ok": true}')) == 'id: 7\nevent: node.health\ndata: {"ok": true}\n\n'


def test_a_heartbeat_has_an_id_and_no_data_so_that_the_browser_keeps_the_cursor_and_tells_nobody() -> None:
    assert sse_of(Beat(7)) == ": heartbeat\nid: 7\n\n"


def test_who_is_too_late_goes_on_before_the_oldest() -> None:
    assert sse_of(Stale(3, 9, 20)) == 'id: 8\nevent: stale\ndata: {"event": "stale", "after": 3, "oldest": 9, "newest": 20}\n\n'


def test_the_same_as_json() -> None:
    assert item_of(Event(7, "node.health", '{"ok": true}')) == {"id": 7, "event": "node.health", "data": {"ok": True}}
    assert item_of(Stale(3, 9, 20)) == {
        "id": 8,
        "event": "stale",
        "data": {"event": "stale", "after": 3, "oldest": 9, "newest": 20},
    }
    assert item_of(Beat(7)) == {"id": 7, "event": "heartbeat", "data": {}}


@pytest.mark.parametrize(
    ("text", "cursor"), [(None, None), ("", None), (" ", None), ("0", 0), (" 17 ", 17), ("9007199254740991", 2**53 - 1)]
)
def test_a_cursor(text: str | None, cursor: int | None) -> None:
    assert cursor_of(text) == cursor


@pytest.mark.parametrize("text", ["-1", "1.5", "x", "9007199254740992", "9" * 5000, "\u0663", "1\n2", "0x10"])
def test_no_cursor(text: str) -> None:
    with pytest.raises(CursorInvalid):
        cursor_of(text)
