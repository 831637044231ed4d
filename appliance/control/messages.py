"""What is said over the control socket: the one place that server, client and gateways have it from. Pure.

One JSON object a line. Who asks chooses an `id` for each question, so that several may be under way on one connection; every line
about it has that `id`. Answers come in the order in which they are ready. docs/control-socket.md tells it with examples.

asker  {"id": 1, "op": "status", "args": {}}        a question; with "body": n, n raw bytes follow the line
       {"id": 2, "op": …, "as": {"name": "alice", "roles": ["viewer"], "request": "…"}}  the API server, for a user;
                                                    with "trace": "00-…-01" where its step of a trace is recorded
       {"cancel": 1}                                the answer is not wanted any more
node   {"id": 1, "item": …}                         one item of an answer that is a stream
       {"id": 1, "item": …, "fds": 1}               the same, and so many descriptors come with it (`control.handing`)
       {"id": 1, "lost": 3}                         so many items are missing here: they were not taken in time
       {"id": 1, "ok": true, "result": …}           the answer, and the end of a stream
       {"id": 1, "ok": false, "error": {"code": …, "message": …, "hint": …, "exit": n}}

A question without `id` is answered without one. A refusal of the whole connection (too many callers) has none either.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

MAX_LINE = 64 * 1024
"""Bytes of a line to the node; the longest real one is a reload with a few paths."""
MAX_ID = 2**53 - 1
"""The largest number that every JSON reader knows exactly."""

MOST_ROLES, MOST_WORD = 64, 128
"""Roles of whom is asked for, and characters of each, of a name and of a request's id."""

Id = int | None


class NotUnderstood(ValueError):
    """The line is none of these messages."""


class OnBehalf(NamedTuple):
    """For whom the API server asks."""

    name: str
    roles: tuple[str, ...] = ()
    request: str = ""
    """The id of the request there."""
    trace: str = ""
    """The traceparent of the step that asks (W3C, Trace Context); "" where nothing is recorded."""

    def document(self) -> dict[str, Any]:
        """As JSON."""
        said = self._asdict()
        if not self.trace:
            del said["trace"]
        return said


class Question(NamedTuple):
    """Ask the node to do `op`."""

    op: str
    args: Mapping[str, Any] = {}
    id: Id = None
    """0 to MAX_ID, and none of those that are under way on the same connection."""
    body: int = 0
    """How many raw bytes follow the line."""
    on_behalf: OnBehalf | None = None
    """None: the one who asks means himself."""


class Cancel(NamedTuple):
    """The answer to this question is not wanted any more.

    What can be stopped ends with an error `cancelled`; what must not stop half way (a reload) goes on and is answered as ever.
    """

    id: Id


class Item(NamedTuple):
    """One item of an answer that is a stream."""

    id: Id
    item: Any
    descriptors: int = 0
    """How many come with it."""


class Lost(NamedTuple):
    """So many items of a stream would have stood here, but were not taken in time."""

    id: Id
    number: int


class Answer(NamedTuple):
    """The answer; after items, the end of them."""

    id: Id
    result: Any
    descriptors: int = 0
    """How many come with it."""


class Refusal(NamedTuple):
    """No answer, or no more of it. `error` is an `ApplianceError.document()`."""

    id: Id
    error: Mapping[str, Any]


ToNode = Question | Cancel
FromNode = Item | Lost | Answer | Refusal


def line_of(message: ToNode | FromNode) -> bytes:
    """The message as a line, with its end. Raises TypeError, ValueError or RecursionError for what JSON does not have."""
    said: dict[str, Any]
    match message:
        case Question(op, args, id, body, on_behalf):
            whose = {} if on_behalf is None else {"as": on_behalf.document()}
            said = _with_id(id, {"op": op, "args": args} | ({"body": body} if body else {}) | whose)
        case Cancel(id):
            said = {"cancel": id}
        case Item(id, item, descriptors):
            said = _with_id(id, {"item": item} | _with_descriptors(descriptors))
        case Lost(id, number):
            said = _with_id(id, {"lost": number})
        case Answer(id, result, descriptors):
            said = _with_id(id, {"ok": True, "result": result} | _with_descriptors(descriptors))
        case Refusal(id, error):
            said = _with_id(id, {"ok": False, "error": error})
    # Half of a surrogate pair, from a file name that is no UTF-8, becomes its JSON escape.
    return json.dumps(said, ensure_ascii=False, default=str).encode(errors="backslashreplace") + b"\n"


def to_node(line: bytes) -> ToNode:
    """The question or cancellation on a line. Raises NotUnderstood."""
    said = _object(line)
    if "cancel" in said:
        return Cancel(_id(said["cancel"]))
    match said:
        case {"op": str(op)}:
            whose = _on_behalf(said.get("as"))
            return Question(op, _arguments(said.get("args")), _id(said.get("id")), _count(said.get("body") or 0), whose)
        case _:
            raise NotUnderstood("there is no op")


def from_node(line: bytes) -> FromNode:
    """What the node said on a line. Raises NotUnderstood."""
    said = _object(line)
    number = _id(said.get("id"))
    match said:
        case {"ok": True, "result": result}:
            return Answer(number, result, _count(said.get("fds") or 0))
        case {"ok": False, "error": dict(error)}:
            return Refusal(number, error)
        case {"lost": lost}:
            return Lost(number, _count(lost))
        case {"item": item}:
            return Item(number, item, _count(said.get("fds") or 0))
        case _:
            raise NotUnderstood("neither an answer nor an item")


def _with_id(number: Id, rest: dict[str, Any]) -> dict[str, Any]:
    return rest if number is None else {"id": number} | rest


def _with_descriptors(number: int) -> dict[str, Any]:
    return {"fds": number} if number else {}


def _object(line: bytes) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise NotUnderstood("no JSON") from error
    if not isinstance(said, dict):
        raise NotUnderstood("no object")
    return said


def _on_behalf(found: object) -> OnBehalf | None:
    match found:
        case None:
            return None
        case {"name": str(name), **more}:
            roles, request, trace = more.get("roles", []), more.get("request", ""), more.get("trace", "")
            if isinstance(roles, list) and len(roles) <= MOST_ROLES and all(map(_is_word, (name, request, trace, *roles))):
                return OnBehalf(name, tuple(sorted(roles)), str(request), str(trace))
    raise NotUnderstood("as names nobody")


def _is_word(found: object) -> bool:
    """It is written into logs as it is."""
    return isinstance(found, str) and len(found) <= MOST_WORD and found.isprintable()


def _arguments(found: object) -> dict[str, Any]:
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise NotUnderstood("args is no object")
    return found


def _id(found: object) -> Id:
    if found is None:
        return None
    number = _count(found)
    if number > MAX_ID:
        raise NotUnderstood("the id is too large")
    return number


def _count(found: object) -> int:
    if type(found) is not int or found < 0:
        raise NotUnderstood("a number is no whole one from 0 on")
    return found
