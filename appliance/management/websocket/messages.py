"""What is said over a WebSocket: JSON objects, one a text message, judged here and nowhere else. Pure.

asker   {"type": "authenticate", "token": …}             first, where the handshake had no header Authorization
        {"type": "subscribe", "id": 1, "topics": ["jobs"], "after": 17}      or "execution": …; without after: from now on
        {"type": "unsubscribe", "id": 1}
        {"type": "ask", "id": 2, "operation": "status", "arguments": {}}     an operation that the node answers
        {"type": "broadcast", "id": 3, "data": {…}}       to all who follow the topic "events"
        {"type": "ping"}
server  {"type": "welcome", "user": …}
        {"type": "done", "id": 1}                         subscribed, unsubscribed (its end), or broadcast
        {"type": "event", "id": 1, "event": {"id": 18, "kind": "jobs.state", "data": {…}}}
        {"type": "stale", "id": 1, "oldest": 40}          some that were asked for are gone; it goes on behind these
        {"type": "answer", "id": 2, "result": …}
        {"type": "problem", "id": 2, "problem": {…}}      as RFC 9457; without id it is about a message that had none
        {"type": "heartbeat", "id": 1, "after": 18}       a subscription is there still, and so far
        {"type": "pong"}
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

MOST_TEXT: Final = 64 * 1024
"""Characters of a message."""
MAX_ID: Final = 2**53 - 1
MOST_TOPICS: Final = 16
MOST_DATA: Final = 8 * 1024
"""Characters of what is broadcast, as JSON."""


class NotUnderstood(ValueError):
    """It is none of these messages. The text says why, and nothing of what was sent."""


class Authenticate(NamedTuple):
    """Who asks."""

    token: str


class Subscribe(NamedTuple):
    """Follow events from now on, or behind a cursor."""

    id: int
    topics: Sequence[str]
    execution: str
    after: int | None


class Unsubscribe(NamedTuple):
    """Follow no more."""

    id: int


class Question(NamedTuple):
    """An operation that the node answers."""

    id: int
    operation: str
    arguments: Mapping[str, Any]


class Broadcast(NamedTuple):
    """To all who follow the topic `events`."""

    id: int
    data: Mapping[str, Any]


class Ping(NamedTuple):
    """Is somebody there?"""


FromAsker = Authenticate | Subscribe | Unsubscribe | Question | Broadcast | Ping


def read(text: str) -> FromAsker:
    """Raises NotUnderstood."""
    if len(text) > MOST_TEXT:
        raise NotUnderstood(f"a message has at most {MOST_TEXT} characters")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise NotUnderstood("that is no JSON") from None
    match said:
        case {"type": "authenticate", "token": str(token)}:
            return Authenticate(token)
        case {"type": "subscribe"}:
            return _subscribe(said)
        case {"type": "unsubscribe"}:
            return Unsubscribe(_number(said, "id"))
        case {"type": "ask", "operation": str(operation)}:
            return Question(_number(said, "id"), operation, _object(said.get("arguments", {}), "arguments"))
        case {"type": "broadcast"}:
            data = _object(said.get("data"), "data")
            if len(json.dumps(data)) > MOST_DATA:
                raise NotUnderstood(f"data has at most {MOST_DATA} characters")
            return Broadcast(_number(said, "id"), data)
        case {"type": "ping"}:
            return Ping()
    raise NotUnderstood("there is no such type, or something is missing")


def id_of(text: str) -> int | None:
    """The id that a message has, if it has one, for the answer to one that was not understood."""
    try:
        said = json.loads(text[:MOST_TEXT])
        return _number(said, "id") if isinstance(said, dict) else None
    except (ValueError, RecursionError):
        return None


def text_of(kind: str, number: int | None = None, **more: Any) -> str:
    """A message of the server's."""
    return json.dumps({"type": kind, **({} if number is None else {"id": number}), **more}, ensure_ascii=False, default=str)


def _subscribe(said: Mapping[str, Any]) -> Subscribe:
    topics, execution = said.get("topics", []), said.get("execution", "")
    if not isinstance(topics, list) or len(topics) > MOST_TOPICS or not all(isinstance(each, str) for each in topics):
        raise NotUnderstood(f"topics is a list of at most {MOST_TOPICS} texts")
    if not isinstance(execution, str) or (execution and topics):
        raise NotUnderstood("execution is a text, and has no topics beside it")
    after = None if said.get("after") is None else _number(said, "after")
    return Subscribe(_number(said, "id"), tuple(topics), execution[:64], after)


def _number(said: Mapping[str, Any], name: str) -> int:
    found = said.get(name)
    if type(found) is not int or not 0 <= found <= MAX_ID:
        raise NotUnderstood(f"{name} is a whole number from 0 on")
    return found


def _object(found: object, name: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise NotUnderstood(f"{name} is an object")
    return found
