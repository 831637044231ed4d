"""The status document: what `appliance status --json` prints."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance import __version__
from appliance.api.monitoring import SessionFigures
from appliance.foundation import clock
from appliance.linux import glance
from appliance.planning.own import is_kernels_own
from appliance.profile.places import files_of
from appliance.protocol.peer import Peer

if TYPE_CHECKING:
    from appliance.api.profile import NetworkSection
    from appliance.runtime.composition import Daemon
    from appliance.runtime.workers.keeper import WorkerKeeper


MOST_MISSING = 100
"""Lines about what is missing on the host."""


def status(daemon: Daemon) -> dict[str, Any]:
    """Everything an admin may want to know at a glance; addresses included, secrets not."""
    now = clock.monotonic()
    network = daemon.profile.network
    return {
        "name": daemon.profile.name,
        "identity": daemon.identity.fingerprint,
        "version": __version__,
        "profile": profile_status(daemon),
        "state": "degraded" if problems(daemon) else "running",
        "problems": problems(daemon),
        "warnings": [advice._asdict() for advice in (*daemon.loops.advice, *daemon.surroundings.advice)],
        "since": clock.utc_text(daemon.since_wall),
        "pid": os.getpid(),
        "ready": daemon.figures.ready,
        "worker": _worker(daemon.keeper),
        "interface": _interface(network),
        "host": {
            "drift": daemon.profile.host.drift,
            "missing": list(daemon.drift.missing[:MOST_MISSING]),
            "repaired": daemon.drift.repaired,
        },
        "listen": [str(bound) for bound in daemon.transports.bound.values()],
        "sessions": [_session(figures) for figures in daemon.figures.sessions(now)],
        "peers": [
            _peer(daemon.driver.node.peers[peer.name]) | {"allowed": [str(prefix) for prefix in peer.allowed]}
            for peer in daemon.profile.peers
            if peer.name in daemon.driver.node.peers
        ],
        "qos": {name: figures._asdict() for name, figures in daemon.figures.classes().items()} or None,
        "drops": dict(daemon.keeper.drops() + daemon.driver.drops),
        "handshakes": dict(daemon.driver.node.counters),
        "refused_callers": dict(daemon.admission.refused),
        "plugins": daemon.plugins.report(),
        "confirm_by": daemon.reload.seconds_to_confirm(now),
    }


def profile_status(daemon: Daemon) -> dict[str, Any]:
    """Which files are in force, and which a reload and the next start read: they are the `next`. `paths` are those that the node
    was started with, none for the system's profile. `lasts`: are these the same files? `refused`: sentences about profiles that
    nobody confirmed or somebody rolled back."""
    files, problems = files_of(daemon.paths, Path("/"))
    return {
        "in_force": [str(file) for file in daemon.files],
        "paths": [str(path) for path in daemon.paths],
        "next": [str(file) for file in files],
        "lasts": not problems and list(daemon.files) == files,
        "refused": daemon.trial.sentences(),
    }


def components(daemon: Daemon) -> dict[str, str]:
    """Each part's health, "ok" or a problem."""
    found = {
        "worker": daemon.keeper.problem or "ok",
        "profile": "the profile is refused, and the one before it runs: see the log" if daemon.fallen_back else "ok",
        "host": daemon.drift.problem or "ok",
        "routing": daemon.forwarding.problem or "ok",
        "control": daemon.listener.problem or "ok",
    }
    found |= {f"discovery.{kind}": daemon.discovery.problems.get(kind, "ok") for kind in daemon.discovery.wanted}
    found |= {f"monitoring.{kind}": daemon.monitors.problems.get(kind, "ok") for kind in daemon.profile.monitoring}
    found |= {f"plugin.{entry['name']}": entry["problem"] or "ok" for entry in daemon.plugins.report()}
    return found


def problems(daemon: Daemon) -> dict[str, str]:
    """The parts that are not well."""
    return {name: problem for name, problem in components(daemon).items() if problem != "ok"}


def health(daemon: Daemon) -> dict[str, Any]:
    """A short answer for probes."""
    wrong = problems(daemon)
    return {"ok": not wrong, "ready": daemon.figures.ready, "problems": wrong}


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


def _peer(peer: Peer) -> dict[str, Any]:
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
    }
