"""What can be done before there is an event loop, and said no to before the host is touched: plugins, profile, identity."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from appliance.api.crypto import CryptoSuite
from appliance.api.profile import Profile, QosRuleEntry
from appliance.errors import ApplianceError, PluginFault
from appliance.linux import host
from appliance.planning import cores
from appliance.plugin_host import PluginHost, required
from appliance.plugin_host.calling import describe
from appliance.plugin_host.discovery import enabled
from appliance.profile.loaded import LoadedProfile
from appliance.profile.loading import Readings, enabled_plugins, load
from appliance.protocol.settings import NodeSettings

LEAST_PACKET: Final = 512
"""Bytes that a packet counts at least when it waits: with what surrounds it, it takes as much memory."""


def load_plugins(paths: Sequence[Path], environ: Mapping[str, str] = os.environ, readings: Readings | None = None) -> PluginHost:
    """The plugins that the profile and the host name. A broken one is a fact in the result. `readings`: see `load_profile`."""
    return PluginHost.load(enabled(enabled_plugins(paths, environ=environ, readings=readings)))


def load_profile(
    paths: Sequence[Path],
    plugins: PluginHost,
    environ: Mapping[str, str] = os.environ,
    readings: Readings | None = None,
    *,
    exact: bool = False,
) -> LoadedProfile:
    """The profile, judged by the plugins too; files among `readings` are not read again. Raises ProfileInvalid with every problem
    there is."""
    kinds = None
    if plugins.complete:  # a kind that a failed plugin would bring is no mistake of the profile
        kinds = plugins.kinds
    try:
        loaded = load(paths, environ=environ, sections=plugins.sections, kinds=kinds, readings=readings, exact=exact)
    except BaseException as error:
        fault = _fault(plugins, error)
        if fault is None:
            raise
        raise fault from error
    problems = [*required(loaded.profile, plugins), *plugins.check_profile(loaded.profile, None)]
    if problems:
        raise loaded.invalid(problems)
    return loaded


def _fault(plugins: PluginHost, error: BaseException) -> PluginFault | None:
    """A plugin's model may raise what it should not, sys.exit included; then it is named. None for everything else."""
    owner = None if isinstance(error, ApplianceError) else plugins.owners.of_error(error)
    if owner is None:
        return None
    return PluginFault(owner, f"its settings {describe(error)}", hint="disable the plugin or report this to its author")


def usable_suites(profile: Profile, plugins: PluginHost) -> tuple[CryptoSuite, ...]:
    """The registered suites, those that protect nothing only in a laboratory."""
    return tuple(suite for suite in plugins.suites.values() if profile.crypto.lab or not suite.lab_only)


def node_settings(profile: Profile) -> NodeSettings:
    """What the node is told of a profile, peers aside."""
    return NodeSettings(
        suites=profile.crypto.suites,
        pq=profile.crypto.pq,
        rotate_after=profile.crypto.rotate.after,
        max_sessions=profile.limits.sessions,
        idle=profile.limits.idle,
        handshakes_per_second=profile.limits.handshakes_per_second,
        reassembly_bytes=profile.limits.reassembly_bytes,
    )


def compresses(profile: Profile) -> bool:
    """Does any peer want compression, so that the worker needs the library?"""
    return any(peer.compression != "off" for peer in profile.peers)


def datagram_bytes(profile: Profile) -> int | None:
    """Bytes of a datagram as the profile says, None for automatic."""
    wanted = profile.network.datagram
    return wanted if isinstance(wanted, int) else None


def scheduling(profile: Profile) -> tuple[dict[str, Any] | None, list[tuple[str, int]]]:
    """What the worker is told of quality of service (None: there is none), and the peers' rates in bytes a second."""
    qos = profile.qos
    if qos is None:
        return None, []
    settings = {
        "rules": [_rule(entry) for entry in qos.rules],
        "weights": [qos.weights.normal, qos.weights.bulk],
        "queue_bytes": qos.queue,
        "queue_packets": qos.queue // LEAST_PACKET,
        "total_bytes": qos.total,
    }
    return settings, [(peer.name, peer.rate // 8) for peer in profile.peers if peer.rate is not None]


def _rule(entry: QosRuleEntry) -> dict[str, Any]:
    return {
        "class": entry.traffic,
        "dscp": entry.dscp,
        "protocol": entry.protocol,
        "ports": entry.ports,
        "from": None if entry.from_ is None else str(entry.from_),
        "to": None if entry.to is None else str(entry.to),
    }


def workers(profile: Profile) -> int:
    """How many workers the profile means on this host."""
    return cores.workers(profile.network.workers, host.usable_cores())


def worker_slots(profile: Profile) -> int:
    """Sessions the worker must have room for: each may have a predecessor in its last seconds."""
    return 2 * profile.limits.sessions + 16
