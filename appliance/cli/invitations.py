"""`appliance network invite` and `network invitations`: asks the running node, which keeps them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from appliance.api.units import parse_seconds
from appliance.cli.parser import UsageError
from appliance.cli.qr import qr_text
from appliance.cli.terminal import Terminal, seconds_text, table
from appliance.control import client
from appliance.errors import ExitCode
from appliance.foundation import clock


def invite(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Have the running node make an invitation, and show its code."""
    made = client.call("invite", _wanted(arguments))
    if terminal.json:
        terminal.document(made)
        return ExitCode.OK
    terminal.say(made["code"])
    drawn = qr_text(made["code"]) if terminal.out_is_tty else None
    if drawn is not None:
        terminal.say()
        terminal.say(drawn)
    left = seconds_text(made["expires"] - clock.wall())
    times = "once" if made["uses"] == 1 else f"{made['uses']} times"
    terminal.note(f"invites {made['name']} to the network {made['network']}, {times}, for {left}. On the new host, as root:")
    terminal.note("  appliance join CODE")
    terminal.note(f"It calls {_places(made)}. Whoever has the code can join: hand it over in private.")
    return ExitCode.OK


def invitations(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """List the invitations of the running node, or take one back."""
    if arguments.revoke:
        answer = client.call("revoke_invitation", {"which": arguments.revoke})
        names = ", ".join(f"{each['number']} for {each['name']}" for each in answer["revoked"])
        terminal.result(answer, f"taken back: {names}")
        return ExitCode.OK
    answer = client.call("invitations")
    terminal.result(answer, _listed(answer) if not terminal.json else "")
    return ExitCode.OK


def _places(made: Mapping[str, Any]) -> str:
    places = ", ".join(made["endpoints"])
    others = ", ".join(endpoint for relay in made["relays"] for endpoint in relay["endpoints"])
    if not others:
        return places
    return f"{places}; or a member at {others}, which passes on" if places else f"a member at {others}, which passes on"


def _wanted(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "name": arguments.name,
        "tags": _several(arguments.tags),
        "prefixes": _several(arguments.prefix),
        "exit": arguments.exit,
        "roles": _several(arguments.role),
        "ttl": _seconds(arguments.ttl),
        "uses": _number(arguments.uses),
        "at": _several(arguments.at),
    }


def _several(text: str | None) -> list[str]:
    return [word for word in (text or "").split(",") if word]


def _seconds(text: str) -> int:
    try:
        return int(parse_seconds(text))
    except ValueError as error:
        raise UsageError(f"--ttl: {error}", hint="for example --ttl 1h") from None


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 4:
        raise UsageError(f"--uses: {text!r} is no number", hint="for example --uses 3")
    return int(text)


def _listed(answer: Mapping[str, Any]) -> str:
    rows = [
        (
            each["number"],
            each["name"],
            each["state"],
            f"{len(each['used_by'])} of {each['uses']}",
            seconds_text(max(0.0, each["expires"] - clock.wall())) if each["state"] == "open" else "",
        )
        for each in answer["invitations"]
    ]
    shown = table(("number", "name", "state", "used", "ends in"), rows) if rows else "no invitations"
    refused = {reason: count for reason, count in answer["refused"].items() if reason != "good"}
    if refused:
        shown += "\nrefused since the node runs: " + ", ".join(f"{reason} {count}" for reason, count in sorted(refused.items()))
    return shown
