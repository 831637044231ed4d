"""What the parts of a node are told of a profile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from appliance.api.crypto import CryptoSuite
from appliance.api.profile import Profile, QosRuleEntry
from appliance.api.values import RELAY
from appliance.linux import machine
from appliance.planning import cores
from appliance.plugin_host import PluginHost
from appliance.protocol.settings import NodeSettings

RELAY_DRIVER: Final = "appliance.worker.relayed:Relayed"
"""Import path of the worker half of the core's transport."""
LEAST_PACKET: Final = 512
"""Bytes that a packet counts at least when it waits: with what surrounds it, it takes as much memory."""
LEAST_STRANGERS: Final = 16
MOST_STRANGERS: Final = 1024
"""Of a session the worker keeps 10 KB."""


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
        probation=strangers(profile),
    )


def strangers(profile: Profile) -> int:
    """Most strangers on probation: with so many places nobody goes before he could prove himself (`protocol.probation`)."""
    if profile.mesh is None:
        return 0
    return min(MOST_STRANGERS, max(LEAST_STRANGERS, profile.limits.handshakes_per_second * 5 // 4))


def compresses(profile: Profile) -> bool:
    """Does any peer want compression, so that the worker needs the library?"""
    return any(peer.compression != "off" for peer in profile.peers)


def datagram_bytes(profile: Profile) -> int | None:
    """Bytes of a datagram as the profile says, None for automatic."""
    wanted = profile.network.datagram
    return wanted if isinstance(wanted, int) else None


def relays(profile: Profile) -> Mapping[str, Any] | None:
    """What the family `relay` of control messages is opened with; None: this node has nothing to do with relays. It begins anew
    when this changes."""
    if profile.relay is not None:
        return profile.relay.model_dump(exclude_defaults=True)
    called = any(endpoint.scheme == RELAY for peer in profile.peers for endpoint in peer.endpoints)
    return {} if called or profile.mesh is not None else None


def scheduling(profile: Profile) -> dict[str, Any] | None:
    """What the worker is told of quality of service. None: there is none."""
    qos = profile.qos
    if qos is None:
        return None
    return {
        "rules": [_rule(entry) for entry in qos.rules],
        "weights": [qos.weights.normal, qos.weights.bulk],
        "queue_bytes": qos.queue,
        "queue_packets": qos.queue // LEAST_PACKET,
        "total_bytes": qos.total,
    }


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
    return cores.workers(profile.network.workers, machine.usable_cores())


def worker_slots(profile: Profile) -> int:
    """Sessions the worker must have room for: each may have a predecessor in its last seconds, and a stranger has two at most,
    whether it came or was called."""
    return 2 * profile.limits.sessions + 16 + 4 * strangers(profile)
