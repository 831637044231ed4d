"""The node's figures, put together on demand from the node, the shared counters and what the parts say of themselves."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from appliance import __version__
from appliance.api.monitoring import (
    CertificateFigures,
    ClassFigures,
    DiskFigures,
    LoopFigures,
    NodeFigures,
    ProcessFigures,
    SessionFigures,
)
from appliance.api.zones import shown
from appliance.foundation import clock
from appliance.foundation.turns import Turns
from appliance.linux import usage
from appliance.protocol.session import Session, SessionState
from appliance.runtime.health import Health
from appliance.runtime.node.driver import NodeDriver
from appliance.runtime.workers.counters import SessionCounters
from appliance.runtime.workers.keeper import WorkerKeeper

_NOTHING = SessionCounters(*(0 for _ in SessionCounters._fields))


class Figures:
    """Makes `NodeFigures`, with the health as it is then."""

    def __init__(
        self,
        driver: NodeDriver,
        keeper: WorkerKeeper,
        health: Callable[[], Health],
        turns: Turns | None = None,
        *,
        since: float,
    ) -> None:
        self._driver = driver
        self._keeper = keeper
        self._health = health
        self._turns = turns
        self._since = since
        self.name = ""
        self.scheduled = False
        self.protocols: Callable[[], Mapping[str, Mapping[str, int]]] = dict
        self.members: Callable[[], Mapping[str, int]] = dict
        self.scores: Callable[[], Mapping[str, int]] = dict
        self.certificate: Callable[[], CertificateFigures | None] = lambda: None
        self.short: Callable[[], Mapping[str, str]] = dict
        self.state: Path | None = None
        """The folder whose disk is looked at."""

    def figures(self) -> NodeFigures:
        """The figures now. Never blocks."""
        now, health = clock.monotonic(), self._health()
        return NodeFigures(
            name=self.name,
            version=__version__,
            uptime=now - self._since,
            sessions=self.sessions(now),
            peers_configured=len(self._driver.node.peers) - len(self._driver.node.strangers),
            drops=dict(self._keeper.drops() + self._driver.drops),
            handshakes=dict(self._driver.node.counters),
            components=health.components,
            ready=health.ready,
            classes=self.classes(),
            protocols=self.protocols(),
            loop=self.loop(),
            members=self.members(),
            scores=self.scores(),
            processes=list(self.processes()),
            disk=self.disk(),
            certificate=self.certificate(),
            short=self.short(),
        )

    def processes(self) -> Iterator[ProcessFigures]:
        """This process and the workers, those left out that have ended."""
        named: list[tuple[str, int, float | None]] = [("control", os.getpid(), None)]
        named += [(f"worker {number}", pid, waited) for number, (pid, waited) in enumerate(self._keeper.waited().items())]
        for name, pid, waited in named:
            found, cpu = usage.usage(pid), clock.cpu_seconds(pid)
            if found is not None and cpu is not None:
                yield ProcessFigures(name, pid, cpu, *found, waited)

    def disk(self) -> DiskFigures | None:
        """The disk of the state folder."""
        found = None if self.state is None else usage.room(self.state)
        return None if found is None else DiskFigures(*found)

    def loop(self) -> LoopFigures | None:
        """How long the turns of the control process's event loop take. None: nobody measures them."""
        return None if self._turns is None else LoopFigures(self._turns.longest(), self._turns.late)

    def classes(self) -> Mapping[str, ClassFigures]:
        """Traffic classes by name; none where traffic is not scheduled."""
        return self._keeper.classes() if self.scheduled else {}

    def sessions(self, now: float) -> list[SessionFigures]:
        """Active sessions by peer's name; those of strangers on probation are nobody's figures."""
        active = [each for each in self._driver.node.sessions.values() if each.state is SessionState.ACTIVE and each.proved]
        return [self._session(session, now) for session in sorted(active, key=lambda session: (session.peer, session.since))]

    def _session(self, session: Session, now: float) -> SessionFigures:
        counters = _NOTHING
        if self._keeper.current is not None:
            counters = self._keeper.current.session_counters(session.index) or _NOTHING
        datagram, path_mtu = self._driver.node.path(session)
        return SessionFigures(
            peer=session.peer,
            session_id=str(session.session_id),
            state=session.state.value,
            suite=session.suite.name,
            pq=session.pq,
            transport=session.endpoint.scheme if session.endpoint else "",
            endpoint=shown(session.endpoint),
            rx_packets=counters.rx_packets,
            rx_bytes=counters.rx_bytes,
            tx_packets=counters.tx_packets,
            tx_bytes=counters.tx_bytes,
            rtt=session.rtt,
            age=now - session.since,
            idle=now - session.last_heard,
            epoch=max(counters.rx_epoch, counters.tx_epoch),
            datagram=datagram,
            path_mtu=path_mtu,
            parity=self._driver.node.parity(session.link),
            compression="zstd" if session.compressing else "off",
            rx_saved=counters.rx_saved,
            tx_saved=counters.tx_saved,
            offload_problem=self._driver.offloads.of(session.link),
        )


def document(figures: NodeFigures) -> dict[str, Any]:
    """Figures as JSON has them: records become objects."""
    return figures._asdict() | {
        "sessions": [each._asdict() for each in figures.sessions],
        "classes": {name: each._asdict() for name, each in figures.classes.items()},
        "processes": [each._asdict() for each in figures.processes],
        "loop": None if figures.loop is None else figures.loop._asdict(),
        "disk": None if figures.disk is None else figures.disk._asdict(),
        "certificate": None if figures.certificate is None else figures.certificate._asdict(),
    }
