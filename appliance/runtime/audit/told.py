"""What the audit log needs of its node."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.protocol.identity import Identity
    from appliance.runtime.members.mesh import Mesh


@dataclass(frozen=True, slots=True)
class Told:
    """The log is told, and asks."""

    folder: Path
    """Where it is, in what outlives a reboot."""
    identity: Identity
    mesh: Callable[[], Mesh | None]
    """The network of members; None: there is none."""
    identity_of: Callable[[str], str]
    """The fingerprint of a peer, by its name; "" if there is no such peer."""
    ending: Callable[[], bool]
    """The node stops."""
