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
        ('{"type": "authenticate", "token": "t"}', Authenticate(token="t")),
        ('{"type": "subscribe", "id": 1}', Subscribe(id=1)),
        ('{"type": "subscribe", "id": 1, "topics": ["jobs"], "after": 17}', Subscribe(id=1, topics=["jobs"], after=17)),
        ('{"type": "subscribe", "id": 1, "execution": "x"}', Subscribe(id=1, execution="x")),
        ('{"type": "unsubscribe", "id": 1}', Unsubscribe(id=1)),
        ('{"type": "ask", "id": 2, "operation": "status"}', Question(id=2, operation="status")),
        ('{"type": "broadcast", "id": 3, "data": {"a": 1}}', Broadcast(id=3, data={"a": 1})),
        ('{"type": "ping"}', Ping()),
        ('{"type": "ping", "later": "versions say more"}', Ping()),
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
        '{"type": "broadcast", "id": 1, "data": {"a": NaN}}',
        '{"type": "broadcast", "id": 1, "data": {"a": "\\ud800"}}',
        '{"type": "broadcast", "id": 1, "data": {"a": ' + "[" * 400 + "]" * 400 + "}}",
        '{"type": "authenticate"}',
        " " * (MOST_TEXT + 1),
    ],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(NotUnderstood) as refused:
        read(text)
    assert "xxxx" not in str(refused.value), "nothing of what was sent is said again"


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
