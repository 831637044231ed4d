"""`appliance publish`, `subscribe` and `topics`: messages to and from all members that are subscribed to a topic."""

from __future__ import annotations

import argparse
import base64
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from appliance.cli.parser import UsageError
from appliance.cli.terminal import Terminal
from appliance.control import client
from appliance.control.messages import Answer, Lost, Question, Refusal
from appliance.errors import ExitCode
from appliance.foundation import clock

MOST_BYTES: Final = 8000
"""Of a message."""
PAUSE: Final = 0.1
"""Seconds until it is tried again when the node says that it is too much."""
FRESH: Final = 5.0
"""Seconds for which a connection to the node is used again: it ends those that are silent for ten."""
TOO_MUCH: Final = "TopicsBusy"


def publish(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """One message, or each line of standard input."""
    if arguments.text is not None and arguments.file is not None:
        raise UsageError("TEXT and --file are two messages", hint="say one of them")
    with ExitStack() as stack:
        connection, until = None, 0.0
        for data in _messages(arguments, terminal):
            if connection is None or clock.monotonic() > until:
                stack.close()
                connection = stack.enter_context(client.Connection())
            told = _published(connection, arguments.topic, data)
            until = clock.monotonic() + FRESH
            terminal.line(told, f"published {told['bytes']} bytes in {told['topic']}")
    return ExitCode.OK


def _messages(arguments: argparse.Namespace, terminal: Terminal) -> Iterator[bytes]:
    if arguments.text is not None:
        yield arguments.text.encode(errors="surrogateescape")
        return
    if arguments.file is not None:
        with Path(arguments.file).open("rb") as file:
            yield _whole(file.read(MOST_BYTES + 1), str(arguments.file))
        return
    if sys.stdin.isatty():
        terminal.note(f"each line is published in {arguments.topic}; end with Ctrl-D")
    while line := sys.stdin.buffer.readline(MOST_BYTES + 2):
        yield _whole(line.removesuffix(b"\n"), "a line of standard input")


def _whole(data: bytes, what: str) -> bytes:
    """Nothing is published in pieces."""
    if len(data) > MOST_BYTES:
        raise UsageError(
            f"{what} has more than the {MOST_BYTES} bytes that a message holds",
            hint="send it with `appliance send`, and publish where it is",
        )
    return data


def _published(connection: client.Connection, topic: str, data: bytes) -> dict[str, Any]:
    """Tried again while the node says that it is too much: a pipe is not to lose its lines."""
    while True:
        connection.ask(Question("publish", {"topic": topic, "data": base64.b64encode(data).decode()}))
        match connection.hear("publish"):
            case Answer(_, result):
                return dict(result)
            case Refusal(_, {"code": code}) if code == TOO_MUCH:
                time.sleep(PAUSE)
            case Refusal(_, error):
                raise client.error_of(error)


def subscribe(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """What is published, a line each, until Ctrl-C or so many have come."""
    left = None if arguments.count is None else _count_of(arguments.count)
    for message in client.stream("subscribe", {"topics": arguments.topics}):
        if isinstance(message, Lost):
            terminal.note(f"{message.number} messages were lost: they are taken too slowly here")
            continue
        if message.item["event"] != "message":
            if sys.stderr.isatty():
                terminal.note(f"subscribed to {', '.join(arguments.topics)}; end with Ctrl-C")
            continue
        terminal.line(message.item, _text(message.item, named=len(arguments.topics) > 1))
        if left is not None:
            left -= 1
            if left <= 0:
                break
    return ExitCode.OK


def _count_of(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text[:10]) > 0):
        raise UsageError(f"--count: {text!r} is no number of messages", hint="for example --count 1")
    return int(text)


def _text(item: Mapping[str, Any], *, named: bool) -> str:
    """A message for people: nothing in it acts on their terminal."""
    author = item["peer"] or item["identity"]
    text = item["text"]
    if text is None:
        text = f"{len(base64.b64decode(item['data']))} bytes that are no text (--json has them)"
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return f"{item['topic']} {author}: {shown}" if named else f"{author}: {shown}"


def show(arguments: argparse.Namespace, terminal: Terminal) -> int:  # noqa: ARG001 - the shape of every command
    """What programs of this host read."""
    answer: list[dict[str, Any]] = client.call("topics")
    rows = [(each["topic"], str(each["readers"]), str(each["members"]), _mesh_text(each["mesh"])) for each in answer]
    head = ("topic", "readers", "members", "mesh")
    terminal.result(answer, terminal.table(head, rows) if rows else "no program of this host reads a topic")
    return ExitCode.OK


def _mesh_text(mesh: Sequence[Mapping[str, Any]]) -> str:
    """Who passes messages on with this node; whoever is on the way out shows his score."""
    return ", ".join(each["peer"] if each["score"] >= 0 else f"{each['peer']} ({each['score']:g})" for each in mesh) or "-"
