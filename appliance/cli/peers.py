"""`appliance peers`: who the peers of the running node are, and which of them are there."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from appliance.cli.scores import block_text
from appliance.cli.terminal import Terminal, seconds_text, table
from appliance.control import client
from appliance.errors import ExitCode

DAY = 10
"""Characters of a time that are its date."""
MOST = 40
"""Characters of a reason."""


def peers(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Print them; with --watch again and again."""
    if arguments.watch:
        from appliance.cli.follow import watch

        return watch("peers", terminal, peers_text)
    answer: list[dict[str, Any]] = client.call("peers")
    terminal.result(answer, "" if terminal.json else peers_text(answer))
    return ExitCode.OK


def peers_text(answer: Sequence[Mapping[str, Any]]) -> str:
    """A line for each."""
    if not answer:
        return "this node has no peers"
    return table(("peer", "from", "state", "path", "endpoint", "rtt", "certificate until"), [_row(peer) for peer in answer])


def _row(peer: Mapping[str, Any]) -> tuple[str, ...]:
    if peer.get("blocked"):
        state = block_text(peer["blocked"])
    elif peer.get("not_taken"):
        state = f"not taken: {peer['not_taken']}"
    elif peer["connected"]:
        state = f"connected for {seconds_text(peer['since_s'])}"
    else:
        state = f"not connected ({peer['last_error']})" if peer["last_error"] else "not connected"
    if peer.get("standing") in {"suspected", "dead", "left"}:
        state += f"; {peer['standing']}"
    rtt = peer.get("rtt_ms")
    return (
        str(peer["name"]),
        str(peer["origin"]),
        state,
        _path(peer),
        f"{peer.get('endpoint') or '-'}{_passed_over(peer)}",
        "-" if rtt is None else f"{rtt:g} ms",
        str(peer.get("expires") or "-")[:DAY],
    )


def _passed_over(peer: Mapping[str, Any]) -> str:
    """Which better transports it does not go by, and why, each once."""
    why = {each["endpoint"].partition("://")[0]: shortened(each["reason"]) for each in peer.get("passed_over") or ()}
    return f" (not {'; '.join(f'{scheme}: {reason}' for scheme, reason in why.items())})" if why else ""


def shortened(reason: str) -> str:
    """So much of a reason as a table has room for."""
    return reason if len(reason) <= MOST else f"{reason[: MOST - 1].rstrip()}…"


def _path(peer: Mapping[str, Any]) -> str:
    """Direct or relayed, since when, and why not directly."""
    if not peer.get("path"):
        return "-"
    since = f" for {seconds_text(peer['path_since_s'])}" if "path_since_s" in peer else ""
    why = f" ({peer['why']})" if peer.get("why") else ""
    return f"{peer['path']}{since}{why}"
