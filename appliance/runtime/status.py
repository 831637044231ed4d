"""The status document: what `appliance status --json` prints."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from appliance import __version__
from appliance.api.monitoring import LoopFigures, SessionFigures
from appliance.foundation import clock
from appliance.linux import glance
from appliance.planning.own import is_kernels_own
from appliance.profile.places import files_of
from appliance.protocol.peer import Peer
from appliance.protocol.session import Session
from appliance.runtime.peers.passed_over import passed_over
from appliance.runtime.plugins import stats

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from appliance.api.planning import Advice
    from appliance.api.profile import NetworkSection
    from appliance.runtime.host.countdown import Countdown
    from appliance.runtime.host.drift import Drift
    from appliance.runtime.host.trial_keeper import TrialKeeper
    from appliance.runtime.in_force import InForce
    from appliance.runtime.inside import Inside
    from appliance.runtime.names.names import Names
    from appliance.runtime.node_runtime import NodeRuntime
    from appliance.runtime.policy.access import Access
    from appliance.runtime.streams.part import StreamsPart
    from appliance.runtime.workers.keeper import WorkerKeeper

MOST_MISSING = 100
"""Lines about what is missing on the host."""


class Adviser(Protocol):
    """A part that knows what an admin should do."""

    @property
    def advice(self) -> Sequence[Advice]:
        """As things are now."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The parts of a node on a host that the status is made of."""

    node: NodeRuntime
    in_force: InForce
    trial: TrialKeeper
    drift: Drift
    names: Names
    streams: StreamsPart
    access: Access
    countdown: Countdown
    advisers: Sequence[Adviser]
    refused_callers: Mapping[str, int]
    judged: Mapping[str, int]
    """Questions who may do what, and how asking plugins about them went (`control.authority`)."""
    since: float
    """When the node was started, in seconds of the wall clock."""
    inside: Inside
    """The network that its device is in."""
    userspace: Callable[[], dict[str, Any]] | None = None
    """Figures of a user-space node's own network; None for other nodes."""
    management: Callable[[], dict[str, Any] | None] = lambda: None
    """What is known of the API server; None without one."""
    instance: str = ""
    """Its name among several of one network namespace; "" if it has none."""


async def whole_status(shown: Shown) -> dict[str, Any]:
    """`status`, and what the kernel counted."""
    denied = await shown.access.shown()
    return status(shown) | {"policy": denied}


def status(shown: Shown) -> dict[str, Any]:
    """Everything an admin may want to know at a glance; addresses included, secrets not."""
    now, node, profile = clock.monotonic(), shown.node, shown.in_force.profile
    loop = _loop(node.figures.loop())  # before this turn, which takes some milliseconds for a thousand sessions
    health, peers, told = node.health(), node.driver.node.peers, stats.of_plugins(node.calls)
    return {
        "name": profile.name,
        "identity": node.identity.fingerprint,
        "version": __version__,
        "profile": profile_status(shown.in_force, shown.trial),
        "state": health.state,
        "problems": health.problems,
        "warnings": [advice._asdict() for adviser in shown.advisers for advice in adviser.advice],
        "since": clock.utc_text(shown.since),
        "pid": os.getpid(),
        "instance": shown.instance,
        "ready": health.ready,
        "worker": _worker(node.keeper),
        "rootless": shown.inside.apart,
        "userspace": None if shown.userspace is None else shown.userspace(),
        "interface": shown.inside.call(_interface, profile.network) if shown.inside.kernel else _own_network(profile.network),
        "host": {
            "drift": profile.host.drift,
            "missing": list(shown.drift.missing[:MOST_MISSING]),
            "repaired": shown.drift.repaired,
        },
        "names": shown.names.shown(),
        "streams": shown.streams.shown(),
        "management": shown.management(),
        "short": dict(node.figures.short()),
        "listen": [str(bound) for bound in node.transports.bound.values()],
        "sessions": [_session(figures) for figures in node.figures.sessions(now)],
        "peers": [
            _peer(peers[entry.name], node.driver.node.sessions)
            | {"allowed": [str(prefix) for prefix in entry.allowed], "origin": str(entry.origin)}
            for entry in node.peers.table
            if entry.name in peers
        ],
        "mesh": None if node.mesh is None else node.mesh.status(),
        "knowledge": None if node.optional.knowledge is None else node.optional.knowledge.status(),
        "refused_members": {str(reason): count for reason, count in node.peers.refused.items()},
        "loop": loop,
        "qos": {name: figures._asdict() for name, figures in node.figures.classes().items()} or None,
        "drops": dict(node.keeper.drops() + node.driver.drops),
        "protocols": node.figures.protocols(),
        "paths": node.optional.paths.report(),
        "relays": None if node.optional.relays is None else node.optional.relays.report(),
        "handshakes": dict(node.driver.node.counters),
        "refused_callers": dict(shown.refused_callers),
        "judged": dict(shown.judged),
        "parts": node.stats(),
        "plugins": [fact | {"stats": told.get(fact["name"], [])} for fact in node.plugins.report()],
        "confirm_by": shown.countdown.seconds_left(),
    }


def profile_status(in_force: InForce, trial: TrialKeeper) -> dict[str, Any]:
    """Which files are in force, and which a reload and the next start read: they are the `next`. `paths` are those that the node
    was started with, none for the system's profile. `lasts`: are these the same files? `refused`: sentences about profiles that
    nobody confirmed or somebody rolled back."""
    files, problems = files_of(in_force.paths, Path("/"))
    return {
        "in_force": [str(file) for file in in_force.files],
        "paths": [str(path) for path in in_force.paths],
        "next": [str(file) for file in files],
        "lasts": not problems and list(in_force.files) == files,
        "refused": trial.sentences(),
    }


def _loop(figures: LoopFigures | None) -> dict[str, Any] | None:
    """The control process's event loop: its longest turn of the last minute, and how many took more than 50 ms so far."""
    return None if figures is None else {"longest_turn_ms": round(figures.longest * 1000, 3), "late_turns": figures.late}


def _interface(network: NetworkSection) -> dict[str, Any]:
    """The kernel's word; `differs` has what the profile says instead, where it does."""
    now = glance.look(network.interface)
    wanted = {"up": True, "mtu": network.mtu, "addresses": [str(address) for address in network.addresses]}
    addresses = [address for address in now.addresses if not is_kernels_own(address)]
    found = {"up": now.up, "mtu": now.mtu, "addresses": addresses}
    differs = {key: wanted[key] for key in ("up", "mtu") if found[key] != wanted[key]}
    if sorted(addresses) != sorted(map(str, network.addresses)):
        differs["addresses"] = wanted["addresses"]
    return {"name": network.interface, "there": now.there, **found, "differs": differs or None}


def _own_network(network: NetworkSection) -> dict[str, Any]:
    """The same of a user-space node, which has no interface: it is as the profile says."""
    addresses = [str(address) for address in network.addresses]
    return {"name": "user space", "there": True, "up": True, "mtu": network.mtu, "addresses": addresses, "differs": None}


def _worker(keeper: WorkerKeeper) -> dict[str, Any]:
    """The data plane; `pid` is the first of `pids`, 0 when there is none."""
    pids = list(keeper.pids)
    return {"pid": next(iter(pids), 0), "pids": pids, "offloads": list(keeper.offloads), "restarts": keeper.restarts}


def _session(figures: SessionFigures) -> dict[str, Any]:
    return {
        "peer": figures.peer,
        "session": figures.session_id,
        "state": figures.state,
        "suite": figures.suite,
        "pq": figures.pq,
        "transport": figures.transport,
        "endpoint": figures.endpoint,
        "rx_bytes": figures.rx_bytes,
        "tx_bytes": figures.tx_bytes,
        "rx_packets": figures.rx_packets,
        "tx_packets": figures.tx_packets,
        "rtt_ms": None if figures.rtt is None else round(figures.rtt * 1000, 3),
        "age_s": round(figures.age, 3),
        "idle_s": round(figures.idle, 3),
        "epoch": figures.epoch,
        "datagram": figures.datagram or None,
        "path_mtu": figures.path_mtu or None,
        "parity": figures.parity,
        "compression": figures.compression,
        "rx_saved": figures.rx_saved,
        "tx_saved": figures.tx_saved,
        "offload_problem": figures.offload_problem or None,
    }


def _peer(peer: Peer, sessions: Mapping[int, Session]) -> dict[str, Any]:
    if peer.session is not None:
        state = "connected"
    elif peer.endpoints:
        state = "connecting"
    else:
        state = "idle"
    return {
        "name": peer.name,
        "identity": peer.settings.identity,
        "state": state,
        "endpoints": [str(endpoint) for endpoint in peer.endpoints or peer.settings.endpoints],
        "last_error": peer.last_error or None,
        "passed_over": passed_over(peer, sessions.get(peer.session) if peer.session is not None else None),
    }
