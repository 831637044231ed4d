"""What a node on this host starts from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from appliance.api.profile import Profile
    from appliance.plugin_host import PluginHost
    from appliance.runtime.host.trial_keeper import TrialKeeper


class Start(NamedTuple):
    """A profile that nobody refuses, and what is known of it."""

    paths: tuple[Path, ...]
    """As they were named, none: the system's profile."""
    files: tuple[Path, ...]
    """Those that the profile was read from."""
    profile: Profile
    plugins: PluginHost
    trial: TrialKeeper
    fallen_back: bool
    """Is `profile` the one before a refused one?"""
    given_up: bool
    """An earlier process had applied something that nobody confirmed."""
    attended: bool = False
    """Does the node end when its standard input does?"""
