"""`appliance netcheck`: what NAT a node is behind, and what passes it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from appliance.control import client
from appliance.errors import ExitCode

if TYPE_CHECKING:
    from appliance.cli.terminal import Terminal

SECONDS = 30.0
"""The node looks for five; a busy one takes longer."""


def netcheck(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Print what the node finds out."""
    del arguments
    found = client.call("netcheck", timeout=SECONDS)
    lines = [f"{answer['question']} {answer['answer']}\n  {answer['says']}" for answer in found["answers"]]
    terminal.result(found, "\n".join(lines))
    return ExitCode.OK
