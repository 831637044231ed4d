"""Invitations on disk, a file each: written as a whole or not at all, and there when `keep` returns. They outlive the node, and a
power cut."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from appliance.foundation.logging import get_logger
from appliance.members.invitation import Invitation
from appliance.plugin_host.storage import KeptFolder

if TYPE_CHECKING:
    from pathlib import Path

log = get_logger("enrolment")

FOLDER: Final = "invitations"


class InvitationFiles:
    """The invitations of the network whose folder `state` is."""

    def __init__(self, state: Path) -> None:
        self._folder = KeptFolder(state, FOLDER)

    def keep(self, invitation: Invitation) -> None:
        """Write it down. Raises OSError."""
        self._folder.write(_name(invitation), json.dumps(invitation.document()).encode())

    def forget(self, invitation: Invitation) -> None:
        """Remove it. Raises OSError."""
        self._folder.remove(_name(invitation))

    def load(self) -> list[Invitation]:
        """All that are there. One that cannot be read invites nobody, and is left for whoever looks into it. Raises OSError."""
        found = []
        for path in sorted(self._folder.path.glob("*.json")):
            try:
                found.append(Invitation.read(json.loads(self._folder.read(path.name) or b"")))
            except (ValueError, RecursionError):
                log.warning("an invitation's file is damaged; it invites nobody", file=str(path))
        return found


def _name(invitation: Invitation) -> str:
    return f"{invitation.number.hex()}.json"
