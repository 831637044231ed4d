"""`appliance rendezvous …`: be found under a tag, and find others."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from appliance.cli.parser import UsageError, seconds_of
from appliance.cli.terminal import Terminal, table
from appliance.control import client
from appliance.errors import ExitCode

PATIENCE = 20.0
"""Seconds for an answer: meeting places are asked."""


def register(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Be found."""
    ttl = int(seconds_of(arguments.ttl, "--ttl"))
    answer: dict[str, Any] = client.call("rendezvous.register", {"tag": arguments.tag, "ttl": ttl}, timeout=PATIENCE)
    terminal.result(answer, registered_text(answer))
    return ExitCode.OK if _taken(answer) else ExitCode.DEGRADED


def unregister(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Be found no more."""
    answer: dict[str, Any] = client.call("rendezvous.unregister", {"tag": arguments.tag})
    done = "is not registered any more" if answer["was_registered"] else "was not registered"
    terminal.result(answer, f"{answer['tag']}: this node {done}")
    return ExitCode.OK


def find(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Print who is there."""
    if not arguments.limit.isdecimal() or len(arguments.limit) > 4:
        raise UsageError(f"--limit: {arguments.limit!r} is no number", hint="for example --limit 10")
    asked = {"tag": arguments.tag, "limit": int(arguments.limit)}
    answer: dict[str, Any] = client.call("rendezvous.find", asked, timeout=PATIENCE)
    terminal.result(answer, "" if terminal.json else found_text(answer))
    return ExitCode.OK


def show(arguments: argparse.Namespace, terminal: Terminal) -> int:  # noqa: ARG001 - the shape of every command
    """Print places and registrations."""
    answer: dict[str, Any] = client.call("rendezvous.list")
    places = ", ".join(place["name"] for place in answer["places"]) or "none; docs/rendezvous.md says how to make one"
    lines = [f"meeting places: {places}", *map(registered_text, answer["registered"])]
    terminal.result(answer, "\n".join(lines))
    return ExitCode.OK


def found_text(answer: Mapping[str, Any]) -> str:
    """A line for each member, and one about who did not answer."""
    rows = [
        (
            each["name"] + (" (this node)" if each["own"] else ""),
            ", ".join((*each["endpoints"], *(f"over {relay}" for relay in each["relays"]))) or "-",
            each["expires"],
        )
        for each in answer["members"]
    ]
    lines = [table(("member", "called at", "expires"), rows) if rows else f"nobody is registered under {answer['tag']}"]
    if answer["silent"]:
        lines.append(f"did not answer: {', '.join(answer['silent'])}")
    return "\n".join(lines)


def registered_text(answer: Mapping[str, Any]) -> str:
    """A line for a registration, and one for each place that does not have it."""
    taken, places = _taken(answer), answer["places"]
    lines = [f"{answer['tag']}: registered at {', '.join(taken) or 'no meeting place yet'}, until {answer['expires']}"]
    lines += [f"  {each['place']}: {each['state']}" for each in places if each["place"] not in taken]
    return "\n".join(lines)


def _taken(answer: Mapping[str, Any]) -> list[str]:
    return [each["place"] for each in answer["places"] if each["state"] == "registered"]
