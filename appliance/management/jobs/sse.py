"""Events as text/event-stream (HTML Living Standard, section 9.2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from appliance.errors import ApplianceError, ExitCode
from appliance.management.jobs.events import Beat, Event, Stale

LARGEST_ID: Final = 2**53 - 1
"""What every JSON reader knows exactly."""
_MOST_DIGITS: Final = 16


class CursorInvalid(ApplianceError):
    """What was given as a cursor (`after`, Last-Event-ID) is none."""

    exit_code = ExitCode.INVALID


def cursor_of(text: str | None) -> int | None:
    """The cursor in a Last-Event-ID or a query; None if there is none. Raises CursorInvalid."""
    if text is None or not text.strip():
        return None
    digits = text.strip()
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= _MOST_DIGITS and int(digits) <= LARGEST_ID):
        raise CursorInvalid("the cursor is no id of an event", hint="give the id of the last event you had, or leave it out")
    return int(digits)


def item_of(step: Event | Stale | Beat) -> Mapping[str, Any]:
    """The same for streams whose items are JSON: {"id", "event", "data"}."""
    match step:
        case Event(number, kind, text):
            return {"id": number, "event": kind, "data": json.loads(text)}
        case Stale(after, oldest, newest):
            return {
                "id": oldest - 1,
                "event": "stale",
                "data": {"event": "stale", "after": after, "oldest": oldest, "newest": newest},
            }
        case Beat(cursor):
            return {"id": cursor, "event": "heartbeat", "data": {}}


def sse_of(step: Event | Stale | Beat) -> str:
    """The lines of one event, with the empty line behind it. A heartbeat has an id and no data: the browser keeps the id and
    tells nobody."""
    match step:
        case Event(number, kind, text):
            return f"id: {number}\nevent: {kind}\ndata: {text}\n\n"
        case Stale():
            item = item_of(step)
            return f"id: {item['id']}\nevent: stale\ndata: {json.dumps(item['data'])}\n\n"
        case Beat(cursor):
            return f": heartbeat\nid: {cursor}\n\n"
