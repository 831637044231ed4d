"""What of a profile a rootless node leaves aside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.foundation.logging import get_logger, once_per

if TYPE_CHECKING:
    from appliance.api.profile import Profile
    from appliance.runtime.inside import Inside

log = get_logger("daemon")

SAID_EVERY = 3600.0


def fitted(profile: Profile, inside: Inside) -> Profile:
    """The profile as a node with this network can be. No program of the host is in a rootless node's network, so there is nobody
    to answer names, and the host's resolver is not ours to change."""
    if not inside.apart:
        return profile
    from appliance.api.profile import Names

    names = profile.names or Names()
    if names.serve == "peers" and once_per(SAID_EVERY, "names of a rootless node"):
        log.warning("a rootless node answers no names: names.serve is left aside")
    return profile.model_copy(update={"names": names.model_copy(update={"host": "off"})})
