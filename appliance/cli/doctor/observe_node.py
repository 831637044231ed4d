"""Asks the daemon of this namespace, and looks for what an earlier one left."""

from __future__ import annotations

from appliance import __version__
from appliance.cli.doctor.facts import NodeFacts
from appliance.control import client
from appliance.errors import ApplianceError, MissingPrivilege, NoDaemon
from appliance.foundation import places

ANSWER_SECONDS = 3.0


def observe_node() -> NodeFacts:
    """The daemon's status, or why there is none."""
    applied = _journal_is_there()
    try:
        status = client.call("status", timeout=ANSWER_SECONDS)
    except NoDaemon:
        return NodeFacts(problem="no-daemon", applied=applied, version=__version__)
    except MissingPrivilege:
        return NodeFacts(problem="forbidden", applied=applied, version=__version__)
    except ApplianceError as error:
        if error.exit_code == MissingPrivilege.exit_code:
            return NodeFacts(problem="forbidden", applied=applied, version=__version__)
        return NodeFacts(problem=error.message, applied=applied, version=__version__)
    return NodeFacts(status=status, applied=applied, version=__version__)


def _journal_is_there() -> bool:
    try:
        return any(entry.name.startswith("journal") for entry in places.state_dir().iterdir())
    except OSError:
        return False
