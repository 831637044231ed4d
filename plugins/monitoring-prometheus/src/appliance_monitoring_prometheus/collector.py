"""The node's figures as Prometheus metrics, made anew for each scrape.

Names follow https://prometheus.io/docs/practices/naming/: one prefix, base units, `_total` for counters. The profile (peers) and
the protocol (reasons) bound the labels: no endpoint, session id or address is one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from appliance_monitoring_prometheus.process import process_figures

if TYPE_CHECKING:
    from appliance.api.monitoring import MonitoringServices, NodeFigures, ProcessFigures, SessionFigures

PEER: Final = ("peer",)
PROCESS: Final = ("process",)


class NodeCollector(Collector):
    """Asks the services for figures each time somebody scrapes."""

    def __init__(self, services: MonitoringServices) -> None:
        self._services = services
        self._last: dict[str, SessionFigures] = {}
        self._gone: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])

    def collect(self) -> Iterator[Metric]:
        """All metric families of the node and its process."""
        figures = self._services.figures()
        self._settle(figures.sessions)
        yield from _node(figures)
        yield from _connections(figures)
        yield from self._traffic(figures.sessions)
        yield from _classes(figures)
        yield from _errors(figures)
        yield from _protocols(figures)
        yield from _processes(figures.processes)
        yield from _around(figures)
        yield from process_figures()

    def _settle(self, sessions: Sequence[SessionFigures]) -> None:
        """The counters of a session begin at zero; those of a peer must not fall when it gets a new session. So they keep the
        sums of sessions that ended."""
        now = {session.session_id: session for session in sessions}
        for number, session in self._last.items():
            if number not in now:
                self._gone[session.peer] = [a + b for a, b in zip(self._gone[session.peer], _moved(session), strict=True)]
        self._last = now

    def _traffic(self, sessions: Sequence[SessionFigures]) -> Iterator[Metric]:
        sums = {peer: list(amounts) for peer, amounts in self._gone.items()}
        for session in sessions:
            sums[session.peer] = [a + b for a, b in zip(sums.get(session.peer, (0, 0, 0, 0)), _moved(session), strict=True)]
        for index, (name, text) in enumerate(
            (
                ("receive_packets", "Packets and records received from a peer and found authentic."),
                ("receive_bytes", "Bytes received from a peer and found authentic."),
                ("transmit_packets", "Packets and records sent to a peer."),
                ("transmit_bytes", "Bytes sent to a peer."),
            )
        ):
            family = CounterMetricFamily(f"appliance_peer_{name}", text, labels=PEER)
            for peer in sorted(sums):
                family.add_metric([peer], sums[peer][index])
            yield family


def _moved(session: SessionFigures) -> tuple[int, int, int, int]:
    return session.rx_packets, session.rx_bytes, session.tx_packets, session.tx_bytes


def _node(figures: NodeFigures) -> Iterator[Metric]:
    yield InfoMetricFamily("appliance_build", "The appliance that runs here.", {"version": figures.version, "name": figures.name})
    yield GaugeMetricFamily("appliance_uptime_seconds", "Seconds since the node started.", figures.uptime)
    yield GaugeMetricFamily("appliance_ready", "1 when the node works, as /ready says.", float(figures.ready))
    if figures.members:
        known = GaugeMetricFamily(
            "appliance_members", "Other members of the network, by what is known of them.", labels=["standing"]
        )
        for standing, number in sorted(figures.members.items()):
            known.add_metric([standing], number)
        yield known
    if figures.scores:
        thought = GaugeMetricFamily("appliance_member_scores", "Members, by what this node thinks of them.", labels=["standing"])
        for standing, number in sorted(figures.scores.items()):
            thought.add_metric([standing], number)
        yield thought
    short = GaugeMetricFamily(
        "appliance_short", "1: the node or its host is short of it, and strangers are turned away.", labels=["resource"]
    )
    for resource in sorted(figures.short):
        short.add_metric([resource], 1)
    yield short
    if figures.loop is not None:
        text = "Longest turn of the control process's event loop within the last minute."
        yield GaugeMetricFamily("appliance_loop_longest_turn_seconds", text, figures.loop.longest)
        yield CounterMetricFamily("appliance_loop_late_turns", "Turns of that loop longer than 50 ms.", figures.loop.late)
    health = GaugeMetricFamily("appliance_component_healthy", "1 when a part of the node is well.", labels=("component",))
    for name in sorted(figures.components):
        health.add_metric([name], float(figures.components[name] == "ok"))
    yield health


def _connections(figures: NodeFigures) -> Iterator[Metric]:
    yield GaugeMetricFamily("appliance_peers_configured", "Peers, those of the profile and members.", figures.peers_configured)
    connected = {session.peer for session in figures.sessions}
    yield GaugeMetricFamily("appliance_peers_connected", "Peers with a session.", len(connected))
    sessions = GaugeMetricFamily("appliance_sessions", "Sessions.", labels=("state", "transport", "suite", "post_quantum"))
    for labels, count in _counted((s.state, s.transport, s.suite, str(s.pq).lower()) for s in figures.sessions):
        sessions.add_metric(labels, count)
    yield sessions
    youngest = {session.peer: session for session in sorted(figures.sessions, key=lambda session: -session.age)}
    for name, text, values in (
        ("round_trip_seconds", "Round-trip time to a peer, as keepalives measured it.", {p: s.rtt for p, s in youngest.items()}),
        ("session_age_seconds", "Seconds since a peer's session began.", {p: s.age for p, s in youngest.items()}),
        ("idle_seconds", "Seconds since a peer's last authentic packet.", {p: s.idle for p, s in youngest.items()}),
        ("key_epoch", "How often the session's traffic key has moved on.", {p: s.epoch for p, s in youngest.items()}),
    ):
        family = GaugeMetricFamily(f"appliance_peer_{name}", text, labels=PEER)
        for peer in sorted(values):
            if (value := values[peer]) is not None:
                family.add_metric([peer], value)
        yield family


def _classes(figures: NodeFigures) -> Iterator[Metric]:
    if not figures.classes:
        return
    for name, text in (
        ("packets", "Packets of a traffic class sent."),
        ("bytes", "Bytes of a traffic class sent, as inner packets."),
        ("dropped", "Packets of a traffic class dropped by its queues."),
        ("marked", "Packets of a traffic class marked with CE (ECN)."),
    ):
        family = CounterMetricFamily(f"appliance_class_{name}", text, labels=("class",))
        for kind, found in figures.classes.items():
            family.add_metric([kind], found._asdict()[name])
        yield family
    queued = GaugeMetricFamily("appliance_class_queued_bytes", "Bytes of a traffic class that wait.", labels=("class",))
    for kind, found in figures.classes.items():
        queued.add_metric([kind], found.queued)
    yield queued


def _errors(figures: NodeFigures) -> Iterator[Metric]:
    for name, label, text, counts in (
        ("handshakes", "outcome", "Handshakes by how they ended, timeouts and refusals among them.", figures.handshakes),
        ("dropped", "reason", "Packets and records dropped, by reason.", figures.drops),
    ):
        family = CounterMetricFamily(f"appliance_{name}", text, labels=(label,))
        for reason in sorted(counts):
            family.add_metric([reason], counts[reason])
        yield family


def _protocols(figures: NodeFigures) -> Iterator[Metric]:
    if not figures.protocols:
        return
    labels = ("protocol", "what")
    family = CounterMetricFamily(
        "appliance_protocol_messages", "Messages of a peer protocol, by what became of them.", labels=labels
    )
    for name, counts in sorted(figures.protocols.items()):
        for what in sorted(counts):
            family.add_metric([name, what], counts[what])
    yield family


def _processes(processes: Sequence[ProcessFigures]) -> Iterator[Metric]:
    """What each process uses; what the node may not know of one is left out."""
    if not processes:
        return
    cpu = CounterMetricFamily("appliance_process_cpu_seconds", "CPU time of a process of the node in seconds.", labels=PROCESS)
    for process in processes:
        cpu.add_metric([process.name], process.cpu)
    yield cpu
    for name, text, values in (
        ("process_resident_memory_bytes", "Resident memory of a process of the node.", {p.name: p.memory for p in processes}),
        ("process_open_fds", "Open file descriptors of a process of the node.", {p.name: p.descriptors for p in processes}),
        ("process_max_fds", "Most file descriptors it may have open.", {p.name: p.most_descriptors for p in processes}),
        ("worker_waited_seconds", "How long the last question waited in a worker.", {p.name: p.waited for p in processes}),
    ):
        family = GaugeMetricFamily(f"appliance_{name}", text, labels=PROCESS)
        for label, value in values.items():
            if value is not None:
                family.add_metric([label], value)
        yield family


def _around(figures: NodeFigures) -> Iterator[Metric]:
    if figures.disk is not None:
        yield GaugeMetricFamily("appliance_state_disk_size_bytes", "Size of the disk of the state folder.", figures.disk.total)
        yield GaugeMetricFamily("appliance_state_disk_free_bytes", "Room on the disk of the state folder.", figures.disk.free)
    if figures.certificate is not None:
        for name, when, value in (
            ("start", "begins", figures.certificate.not_before),
            ("end", "ends", figures.certificate.not_after),
        ):
            text = f"When this node's certificate {when}, in seconds since 1970."
            yield GaugeMetricFamily(f"appliance_certificate_{name}_timestamp_seconds", text, value)


def _counted(items: Iterable[tuple[str, ...]]) -> Iterator[tuple[tuple[str, ...], int]]:
    counts: dict[tuple[str, ...], int] = defaultdict(int)
    for item in items:
        counts[item] += 1
    yield from sorted(counts.items())
