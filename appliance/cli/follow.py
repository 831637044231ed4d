"""`appliance events` and what `--watch` does: the running node, as it changes."""

from __future__ import annotations

import argparse
import select
from collections.abc import Callable, Mapping
from typing import Any

from appliance.cli.terminal import Terminal
from appliance.control import client
from appliance.control.messages import Answer, Lost, Question, Refusal
from appliance.errors import ExitCode
from appliance.foundation import clock

WATCH_SECONDS = 1.0
"""Between two looks at figures, when nothing happens."""
DRAW_SECONDS = 0.2
"""Least time between two looks, however much happens."""
SHARE = 10
"""The node is left in peace for so many times as long as an answer took: who watches takes a tenth of its time at most."""
ANSWERS, EVENTS = 1, 2


def events(arguments: argparse.Namespace, terminal: Terminal) -> int:  # noqa: ARG001 - the shape of every command
    """Print what happens, a line each, until the daemon ends."""
    for message in client.stream("events"):
        if isinstance(message, Lost):
            terminal.line({"lost": message.number}, f"{message.number} events were lost: this terminal takes them too slowly")
        else:
            terminal.line(message.item, event_text(message.item, terminal))
    return ExitCode.OK


def watch(operation: str, terminal: Terminal, text: Callable[[Any], str]) -> int:
    """Show what `operation` answers again and again: when something happens, and each second. Ends by Ctrl-C, or with the
    daemon."""
    with client.Connection() as connection:
        connection.ask(Question("events", id=EVENTS))
        while True:
            began = clock.monotonic()
            answer = _answer(connection, operation)
            pause = max(DRAW_SECONDS, SHARE * (clock.monotonic() - began))
            terminal.clear()
            terminal.line(answer, text(answer) if not terminal.json else "")
            select.select([], [], [], pause)
            connection.has_said(WATCH_SECONDS)


def _answer(connection: client.Connection, operation: str) -> Any:
    """What it says now. What happened until then is in it."""
    connection.ask(Question(operation, id=ANSWERS))
    while True:
        match connection.hear(operation):
            case Answer(number, result) if number == ANSWERS:
                return result
            case Refusal(_, error):
                raise client.error_of(error)


def event_text(item: Mapping[str, Any], terminal: Terminal) -> str:
    """One event for people; one that this version does not know as it came."""
    match item:
        case {"event": "session-opened", "peer": peer, "suite": suite, "pq": pq, "endpoint": endpoint}:
            quantum = "post-quantum" if pq else "NOT post-quantum"
            said = f"{peer}: session by {endpoint} ({suite}, {quantum})"
        case {"event": "session-moved", "peer": peer, "endpoint": endpoint}:
            said = f"{peer}: the session moved to {endpoint}"
        case {"event": "session-closed", "peer": peer, "reason": reason}:
            said = f"{peer}: the session ended ({reason})"
        case {"event": "health", "state": state, "problems": problems}:
            styled = terminal.styled(str(state), "green" if state == "running" else "yellow")
            said = "; ".join([styled, *(f"{name}: {problem}" for name, problem in problems.items())])
        case {"event": "profile", "in_force": files}:
            said = f"the profile was read anew: {', '.join(files)}"
        case {"event": "audit", "entries": entries}:
            said = f"the audit log took {entries} entries since the start"
        case _:
            said = " ".join(f"{name}={value}" for name, value in item.items() if name != "time")
    return f"{terminal.styled(str(item.get('time')), 'dim')}  {said}"
