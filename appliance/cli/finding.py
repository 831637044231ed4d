"""`appliance ping` and `appliance discover`: where peers are, and whether they are there."""

from __future__ import annotations

import argparse
import re
import select
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

from appliance.cli.parser import UsageError
from appliance.cli.terminal import Terminal, seconds_text
from appliance.control import client
from appliance.errors import ApplianceError, ExitCode

COUNT = 4
MOST = 10_000
WAIT_SECONDS = 5
"""For one echo: the first one may have to wait for a session."""
PAUSE_SECONDS = 1.0
ROUND_TRIP = re.compile(r"time[=<]([\d.]+) ms")


class NoEcho(ApplianceError):
    """`appliance ping` cannot ask."""


def ping(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Ask for echoes, one after the other, and tell of each as it comes."""
    count = _count(arguments.count)
    program = shutil.which("ping")
    if program is None:
        raise NoEcho("the command ping is not here", hint="install it: apt install iputils-ping")
    found = client.call("lookup", {"name": arguments.name})
    name, address = found["name"], found["addresses"][0]
    echoes: list[dict[str, Any]] = []
    for number in range(count):
        if number:
            select.select([], [], [], PAUSE_SECONDS)
        echo = {"rtt_ms": _echo(program, address)} | _path(name)
        echoes.append(echo)
        if not terminal.json:
            terminal.line(echo, _echo_text(name, address, echo))
            if number == count - 1:
                for each in echo["passed_over"]:
                    terminal.line(each, f"not by {each['endpoint']}: {each['reason']}")
    answered = [echo for echo in echoes if echo["rtt_ms"] is not None]
    if terminal.json:
        terminal.document({"name": name, "address": address, "sent": count, "received": len(answered), "echoes": echoes})
    return ExitCode.OK if answered else ExitCode.FAILURE


def discover(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Print what is known of where peers are; with --watch again and again."""
    if arguments.watch:
        from appliance.cli.follow import watch

        return watch("discovered", terminal, lambda answer: discovered_text(answer, terminal))
    answer = client.call("discovered")
    terminal.result(answer, discovered_text(answer, terminal))
    return ExitCode.OK


def discovered_text(answer: Sequence[Mapping[str, Any]], terminal: Terminal) -> str:
    """A line for each place."""
    rows = [
        (
            row["peer"],
            row["kind"],
            row["endpoint"],
            "" if row["age_s"] is None else seconds_text(row["age_s"]),
            "works" if row["works"] else row["tried"] or "",
        )
        for row in answer
    ]
    head = ("peer", "found by", "endpoint", "age", "last try")
    return terminal.table(head, rows) if rows else "no place of any peer is known"


def _count(text: str | None) -> int:
    if text is None:
        return COUNT
    if not text.isdecimal() or not 0 < int(text) <= MOST:
        raise UsageError(f"--count: {text!r} is no number from 1 to {MOST}")
    return int(text)


def _echo(program: str, address: str) -> float | None:
    """The round trip in milliseconds; None if nothing came back."""
    words = [program, "-n", "-c", "1", "-W", str(WAIT_SECONDS), address]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=WAIT_SECONDS + 5)
    found = ROUND_TRIP.search(done.stdout)
    return float(found[1]) if done.returncode == 0 and found else None


def _path(name: str) -> dict[str, Any]:
    """The session by which the echo came, or was to come; nothing for this node itself."""
    status = client.call("status")
    session = next((session for session in status["sessions"] if session["peer"] == name), None)
    peer: Mapping[str, Any] = next((peer for peer in status["peers"] if peer["name"] == name), {})
    return {
        "endpoint": None if session is None else session["endpoint"],
        "transport": None if session is None else session["transport"],
        "problem": peer.get("last_error") if session is None else None,
        "passed_over": [] if session is None else list(peer.get("passed_over") or ()),
    }


def _echo_text(name: str, address: str, echo: Mapping[str, Any]) -> str:
    if echo["rtt_ms"] is None:
        why = f": {echo['problem']}" if echo["problem"] else "" if echo["endpoint"] else ": there is no session"
        return f"{name} ({address}) does not answer{why}"
    way = f" by {echo['endpoint']}" if echo["endpoint"] else ""
    return f"{name} ({address}) answers{way} in {echo['rtt_ms']:g} ms"
