"""`appliance peers block`, `unblock` and `scores`: asks the running node, which keeps them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from appliance.cli.parser import seconds_of
from appliance.cli.terminal import Terminal, seconds_text, table
from appliance.control import client
from appliance.errors import ExitCode

MOST_REASONS = 3
"""Of one peer, in the table; --json has all."""


def block(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Have the node end its sessions with a peer, and make none."""
    asked: dict[str, Any] = {"name": arguments.name, "reason": arguments.reason or ""}
    if typed := vars(arguments)["for"]:  # no attribute can be called so
        asked["seconds"] = seconds_of(typed, "--for")
    answer = client.call("block_peer", asked)
    until = f"until {answer['until']}" if answer["until"] else f"until `appliance peers unblock {answer['name']}`"
    terminal.result(answer, f"{answer['name']} is blocked {until}")
    if answer["alone"]:
        terminal.note("This node has a session with nobody now: if that was its only way into the network, it is out of it.")
    return ExitCode.OK


def unblock(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Have the node take a block back."""
    answer = client.call("unblock_peer", {"name": arguments.name})
    terminal.result(answer, f"{answer['name']} is blocked no more")
    return ExitCode.OK


def scores(_arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Show what the node thinks of members."""
    answer: list[dict[str, Any]] = client.call("scores")
    terminal.result(answer, "" if terminal.json else scores_text(answer))
    return ExitCode.OK


def scores_text(answer: Sequence[Mapping[str, Any]]) -> str:
    """A line for each."""
    if not answer:
        return "nothing is known of any peer yet"
    return table(("peer", "score", "standing", "why"), [_row(peer) for peer in answer])


def block_text(block: Mapping[str, Any]) -> str:
    """Who said so, why, and until when."""
    by = f" by {block['by']}" if block["by"] else ""
    left = "" if block["left_s"] is None else f", {seconds_text(block['left_s'])} left"
    return f"blocked{by} for {seconds_text(block['since_s'])}{left}" + (f" ({block['reason']})" if block["reason"] else "")


def _row(peer: Mapping[str, Any]) -> tuple[str, ...]:
    standing = block_text(peer["block"]) if peer["block"] else str(peer["standing"])
    if peer["held_off"]:
        standing += f", not blocked: {peer['held_off']}"
    return str(peer["name"]), f"{peer['value']:g}", standing, _why(peer["reasons"])


def _why(reasons: Sequence[Mapping[str, Any]]) -> str:
    shown = [f"{each['what']} {each['count']}× ({each['points']:+g}, {seconds_text(each['last_s'])} ago)" for each in reasons]
    more = len(shown) - MOST_REASONS
    return "; ".join(shown[:MOST_REASONS]) + (f"; {more} more" if more > 0 else "") or "-"
