"""Which profile a node runs by, and the files it came from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from appliance.api.profile import Profile


class InForce:
    """One object that all parts share: a reload puts another profile into it."""

    def __init__(self, profile: Profile, files: tuple[Path, ...], paths: tuple[Path, ...], *, fallen_back: bool = False) -> None:
        self.profile = profile
        self.files = files
        """Of the profile in force, in the order in which they were merged."""
        self.paths = paths
        """As the node was started with; none: the system's profile. A reload and the next start read these."""
        self.fallen_back = fallen_back
        """Is this the profile before the one that the paths name, because that one is refused?"""
