"""Asks the daemon of this namespace, and looks for what an earlier one left."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from appliance import __version__
from appliance.cli.doctor.facts import NodeFacts
from appliance.cli.terminal import Terminal
from appliance.control import client
from appliance.errors import ApplianceError, MissingPrivilege, NoDaemon
from appliance.foundation import clock, places

ANSWER_SECONDS = 3.0


def observe_node(terminal: Terminal, seconds: float) -> NodeFacts:
    """The daemon's status and figures, or why there are none. `seconds`: the figures again, so much later."""
    applied = _journal_is_there()
    try:
        status = client.call("status", timeout=ANSWER_SECONDS)
        figures = client.call("metrics", timeout=ANSWER_SECONDS)
        later = _later(terminal, seconds) if seconds else None
    except NoDaemon:
        return NodeFacts(problem="no-daemon", applied=applied, version=__version__)
    except MissingPrivilege:
        return NodeFacts(problem="forbidden", applied=applied, version=__version__)
    except ApplianceError as error:
        if error.exit_code == MissingPrivilege.exit_code:
            return NodeFacts(problem="forbidden", applied=applied, version=__version__)
        return NodeFacts(problem=error.message, applied=applied, version=__version__)
    return NodeFacts(status=status, applied=applied, version=__version__, figures=figures, later=later, now=clock.wall())


def _later(terminal: Terminal, seconds: float) -> Mapping[str, Any]:
    terminal.note(f"looking at what the node counts for {seconds:g} seconds …")
    time.sleep(seconds)
    found: Mapping[str, Any] = client.call("metrics", timeout=ANSWER_SECONDS)
    return found


def _journal_is_there() -> bool:
    try:
        return any(entry.name.startswith("journal") for entry in places.state_dir().iterdir())
    except OSError:
        return False
