"""What the server says: one model for each type, which a reader may trust."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from appliance.management.websocket.answers import FROM_SERVER, Heartbeat, Told


def test_messages_are_told_apart_by_their_type() -> None:
    told = FROM_SERVER.validate_json('{"type": "event", "id": 1, "event": {"id": 18, "kind": "jobs.state", "data": {"a": 1}}}')
    assert isinstance(told, Told)
    assert (told.event.id, told.event.data) == (18, {"a": 1})
    assert FROM_SERVER.validate_json('{"type": "heartbeat", "id": 1, "after": 2, "later": 3}') == Heartbeat(
        type="heartbeat", id=1, after=2, later=3
    )


@pytest.mark.parametrize("text", ['{"type": "dance"}', '{"type": "done"}', '{"type": "event", "id": 1, "event": {"id": 1}}'])
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValidationError):
        FROM_SERVER.validate_json(text)
