"""What is a message over a WebSocket, and what is none."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.management.websocket.messages import (
    MOST_DATA,
    MOST_TEXT,
    Authenticate,
    Broadcast,
    FromAsker,
    NotUnderstood,
    Ping,
    Question,
    Subscribe,
    Unsubscribe,
    id_of,
    read,
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type": "authenticate", "token": "t"}', Authenticate("t")),
        ('{"type": "subscribe", "id": 1}', Subscribe(1, (), "", None)),
        ('{"type": "subscribe", "id": 1, "topics": ["jobs"], "after": 17}', Subscribe(1, ("jobs",), "", 17)),
        ('{"type": "subscribe", "id": 1, "execution": "x"}', Subscribe(1, (), "x", None)),
        ('{"type": "unsubscribe", "id": 1}', Unsubscribe(1)),
        ('{"type": "ask", "id": 2, "operation": "status"}', Question(2, "status", {})),
        ('{"type": "broadcast", "id": 3, "data": {"a": 1}}', Broadcast(3, {"a": 1})),
        ('{"type": "ping"}', Ping()),
    ],
)
def test_messages(text: str, message: FromAsker) -> None:
    assert read(text) == message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{",
        "[" * 50_000,
        '{"type": "subscribe"}',
        '{"type": "subscribe", "id": -1}',
        '{"type": "subscribe", "id": true}',
        '{"type": "subscribe", "id": 1.5}',
        '{"type": "subscribe", "id": 1, "topics": "jobs"}',
        '{"type": "subscribe", "id": 1, "topics": ["jobs"], "execution": "x"}',
        json.dumps({"type": "subscribe", "id": 1, "topics": ["x"] * 17}),
        '{"type": "ask", "id": 1}',
        '{"type": "ask", "id": 1, "operation": "status", "arguments": []}',
        '{"type": "broadcast", "id": 1}',
        json.dumps({"type": "broadcast", "id": 1, "data": {"a": "x" * MOST_DATA}}),
        '{"type": "authenticate"}',
        " " * (MOST_TEXT + 1),
    ],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(NotUnderstood):
        read(text)


@given(
    st.text()
    | st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)).map(
        json.dumps
    )
)
def test_whatever_comes_nothing_else_is_raised(text: str) -> None:
    with suppress(NotUnderstood):
        read(text)
    id_of(text)


def test_the_answer_to_what_was_not_understood_has_its_id() -> None:
    assert id_of('{"type": "dance", "id": 7}') == 7
    assert id_of('{"type": "dance", "id": "7"}') is None
