"""`appliance peers`: who the peers of the running node are, and which of them are there."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from appliance.cli.terminal import Terminal, seconds_text, table
from appliance.control import client
from appliance.errors import ExitCode

DAY = 10
"""Characters of a time that are its date."""


def peers(arguments: argparse.Namespace, terminal: Terminal) -> int:  # noqa: ARG001 - the shape of every command
    """Print them."""
    answer: list[dict[str, Any]] = client.call("peers")
    terminal.result(answer, "" if terminal.json else peers_text(answer))
    return ExitCode.OK


def peers_text(answer: Sequence[Mapping[str, Any]]) -> str:
    """A line for each."""
    if not answer:
        return "this node has no peers"
    return table(("peer", "from", "state", "endpoint", "rtt", "certificate until"), [_row(peer) for peer in answer])


def _row(peer: Mapping[str, Any]) -> tuple[str, ...]:
    if peer.get("not_taken"):
        state = f"not taken: {peer['not_taken']}"
    elif peer["connected"]:
        state = f"connected for {seconds_text(peer['since_s'])}"
    else:
        state = f"not connected ({peer['last_error']})" if peer["last_error"] else "not connected"
    rtt = peer.get("rtt_ms")
    return (
        str(peer["name"]),
        str(peer["origin"]),
        state,
        str(peer.get("endpoint") or "-"),
        "-" if rtt is None else f"{rtt:g} ms",
        str(peer.get("expires") or "-")[:DAY],
    )
