"""What of a profile a rootless node leaves aside, and a user-space node besides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.foundation.logging import get_logger, once_per
from appliance.linux import sysctl
from appliance.planning import own

if TYPE_CHECKING:
    from appliance.api.profile import Names, NetworkSection, Profile
    from appliance.runtime.inside import Inside

log = get_logger("daemon")

SAID_EVERY = 3600.0


def fitted(profile: Profile, inside: Inside) -> Profile:
    """The profile as a node with this network can be."""
    if not inside.apart:
        return profile
    network = _settable(profile.network, inside) if inside.kernel else _without_kernel(profile.network)
    return profile.model_copy(update={"names": _unasked(profile.names), "network": network})


def _unasked(names: Names | None) -> Names:
    """No program of the host is in a rootless node's network, so there is nobody to answer, and the host's resolver is not ours
    to change."""
    if names is None:
        from appliance.api.profile import Names

        names = Names()
    if names.serve == "peers" and once_per(SAID_EVERY, "names of a rootless node"):
        log.warning("a rootless node answers no names: names.serve is left aside")
    return names.model_copy(update={"host": "off"})


def _settable(network: NetworkSection, inside: Inside) -> NetworkSection:
    """In a container settings can often only be read. Then those that keep a peer from being a router of this host stay as they
    are: what he could do is lead astray what is in this network, where each socket is bound to the device."""
    if not sysctl.only_read():
        return network
    keys = [own.link_sysctl(version, network.interface, leaf) for version, leaf in own.DEAF_TO]
    found = {key: inside.call(sysctl.read, own.default_sysctl(key, network.interface)) for key in keys}
    kept = {key: value for key, value in found.items() if value is not None}
    return network.model_copy(update={"sysctls": kept | dict(network.sysctls)})


def _without_kernel(network: NetworkSection) -> NetworkSection:
    """One worker, since there is one endpoint, and nothing of what only a kernel does."""
    lacking = [key for key in ("routes", "rules", "full_tunnel", "masquerade", "sysctls") if getattr(network, key)]
    if lacking and once_per(SAID_EVERY, "network of a user-space node"):
        log.warning("a user-space node has no routes and no firewall: left aside", keys=[f"network.{key}" for key in lacking])
    return network.model_copy(update={"workers": 1})
