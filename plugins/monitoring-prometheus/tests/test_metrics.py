"""What a scrape gives, judged by the parser of prometheus-client and, where it is installed, by promtool."""

from __future__ import annotations

import shutil
import subprocess
import urllib.request
from asyncio import to_thread

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from appliance.api.monitoring import CertificateFigures, ClassFigures, DiskFigures, MonitorKind, ProcessFigures
from appliance.testing.conformance.monitoring import MonitoringConformance
from appliance.testing.monitoring import FIGURES, SESSION, FakeMonitoringServices
from appliance_monitoring_prometheus.collector import NodeCollector
from appliance_monitoring_prometheus.http import HttpServer
from appliance_monitoring_prometheus.metrics import open_metrics
from appliance_monitoring_prometheus.plugin import appliance_monitors
from appliance_monitoring_prometheus.settings import PrometheusSettings

LOCAL = PrometheusSettings.model_validate({"listen": "127.0.0.1:0"})


def get(server: HttpServer, accept: str = "") -> tuple[str, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}/metrics", headers={"Accept": accept} if accept else {})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


class Scraped:
    """Samples by name and labels."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.text = generate_latest(registry).decode()
        self._samples = {(s.name, frozenset(s.labels.items())): s.value for family in parse(self.text) for s in family.samples}

    def __call__(self, name: str, **labels: str) -> float:
        return self._samples[name, frozenset(labels.items())]

    def has(self, name: str, **labels: str) -> bool:
        return (name, frozenset(labels.items())) in self._samples


@pytest.fixture
def services() -> FakeMonitoringServices:
    return FakeMonitoringServices()


@pytest.fixture
def registry(services: FakeMonitoringServices) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(NodeCollector(services))
    return registry


class TestConformance(MonitoringConformance):
    def kind(self) -> MonitorKind:
        return appliance_monitors()[0]

    def settings(self) -> dict[str, str]:
        return {"listen": "127.0.0.1:0"}

    async def look(self, monitor: object) -> None:
        assert isinstance(monitor, HttpServer)
        _, text = await to_thread(get, monitor)
        assert list(parse(text))


def test_connections_traffic_errors_and_resources(registry: CollectorRegistry) -> None:
    shown = Scraped(registry)
    assert shown("appliance_sessions", state="active", transport="udp", suite="aes-256-gcm", post_quantum="true") == 1
    assert shown("appliance_peers_configured") == 2
    assert shown("appliance_peers_connected") == 1
    assert shown("appliance_peer_receive_bytes_total", peer="laptop") == 14_000
    assert shown("appliance_peer_transmit_packets_total", peer="laptop") == 20
    assert shown("appliance_peer_round_trip_seconds", peer="laptop") == 0.012
    assert shown("appliance_dropped_total", reason="malformed") == 7
    assert shown("appliance_protocol_messages_total", protocol="question-and-answer", what="control-flood") == 1
    assert shown("appliance_handshakes_total", outcome="timeout") == 2
    assert shown("appliance_component_healthy", component="worker") == 1
    assert shown("appliance_ready") == 1
    assert shown("appliance_loop_longest_turn_seconds") == 0.012
    assert shown("appliance_loop_late_turns_total") == 3
    assert shown("process_cpu_seconds_total") > 0
    assert shown("process_resident_memory_bytes") > 1e6
    assert shown("process_open_fds") > 2


def test_what_the_host_is_short_of(services: FakeMonitoringServices, registry: CollectorRegistry) -> None:
    assert "appliance_short{" not in Scraped(registry).text
    services.current = FIGURES._replace(short={"memory": "31 MiB of memory can still be had"})
    assert Scraped(registry)("appliance_short", resource="memory") == 1


def test_traffic_classes_where_there_are_some(services: FakeMonitoringServices, registry: CollectorRegistry) -> None:
    assert "appliance_class" not in Scraped(registry).text
    classes = {"interactive": ClassFigures(10, 2_000, 0, 0, 0), "bulk": ClassFigures(500, 700_000, 9, 3, 65_536)}
    services.current = FIGURES._replace(classes=classes)
    shown = Scraped(registry)
    assert shown("appliance_class_packets_total", **{"class": "interactive"}) == 10
    assert shown("appliance_class_bytes_total", **{"class": "bulk"}) == 700_000
    assert shown("appliance_class_dropped_total", **{"class": "bulk"}) == 9
    assert shown("appliance_class_marked_total", **{"class": "bulk"}) == 3
    assert shown("appliance_class_queued_bytes", **{"class": "bulk"}) == 65_536


def test_a_peers_counters_never_fall(services: FakeMonitoringServices, registry: CollectorRegistry) -> None:
    Scraped(registry)
    again = SESSION._replace(session_id="second", rx_bytes=100)
    services.current = FIGURES._replace(sessions=(again,))
    assert Scraped(registry)("appliance_peer_receive_bytes_total", peer="laptop") == 14_100
    services.current = FIGURES._replace(sessions=())
    assert Scraped(registry)("appliance_peer_receive_bytes_total", peer="laptop") == 14_100


def test_what_is_not_known_is_not_shown(services: FakeMonitoringServices, registry: CollectorRegistry) -> None:
    services.current = FIGURES._replace(sessions=(SESSION._replace(rtt=None),), loop=None)
    shown = Scraped(registry)
    assert "appliance_loop" not in shown.text
    assert not shown.has("appliance_peer_round_trip_seconds", peer="laptop")
    assert shown.has("appliance_peer_idle_seconds", peer="laptop")


def test_no_address_and_no_session_id_is_a_label(registry: CollectorRegistry) -> None:
    text = Scraped(registry).text
    assert SESSION.session_id not in text
    assert "198.51.100.7" not in text


async def test_both_formats(services: FakeMonitoringServices) -> None:
    async with open_metrics(LOCAL, services) as server:
        kind, text = await to_thread(get, server, "application/openmetrics-text; version=1.0.0")
        assert kind.startswith("application/openmetrics-text")
        assert {family.name for family in parse_openmetrics(text)} >= {"appliance_dropped", "appliance_sessions"}
        kind, text = await to_thread(get, server)
        assert kind.startswith("text/plain")
        assert {family.name for family in parse(text)} >= {"appliance_dropped", "appliance_sessions"}


def test_promtool_has_nothing_to_say(services: FakeMonitoringServices, registry: CollectorRegistry) -> None:
    services.current = FIGURES._replace(
        processes=(ProcessFigures("worker 0", 11, 9.0, 20 << 20, 7, 1024, 0.002),), disk=DiskFigures(2, 1)
    )
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("needs promtool (Debian package prometheus)")
    judged = subprocess.run([promtool, "check", "metrics"], input=Scraped(registry).text, capture_output=True, text=True)
    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert not judged.stderr.strip()


def test_each_process_the_disk_and_the_certificate(services: FakeMonitoringServices, registry: CollectorRegistry) -> None:
    assert "appliance_process" not in Scraped(registry).text
    processes = (
        ProcessFigures("control", 10, 1.5, 60 << 20, 40, 1024),
        ProcessFigures("worker 0", 11, 9.0, 20 << 20, None, None, waited=0.002),
    )
    certificate, disk = CertificateFigures(1_764_000_000, 1_766_000_000), DiskFigures(1 << 30, 1 << 29)
    services.current = FIGURES._replace(processes=processes, disk=disk, certificate=certificate)
    shown = Scraped(registry)
    assert shown("appliance_process_cpu_seconds_total", process="worker 0") == 9.0
    assert shown("appliance_process_resident_memory_bytes", process="control") == 60 << 20
    assert (shown("appliance_process_open_fds", process="control"), shown("appliance_process_max_fds", process="control")) == (
        40,
        1024,
    )
    assert not shown.has("appliance_process_open_fds", process="worker 0"), "the node may not know"
    assert shown("appliance_worker_waited_seconds", process="worker 0") == 0.002
    assert shown("appliance_state_disk_free_bytes") * 2 == shown("appliance_state_disk_size_bytes")
    assert shown("appliance_certificate_end_timestamp_seconds") == 1_766_000_000


def test_members_by_what_this_node_thinks_of_them(services: FakeMonitoringServices, registry: CollectorRegistry) -> None:
    assert "appliance_member_scores" not in Scraped(registry).text
    services.current = FIGURES._replace(scores={"good": 3, "blocked": 1})
    scraped = Scraped(registry)
    assert scraped("appliance_member_scores", standing="good") == 3
    assert scraped("appliance_member_scores", standing="blocked") == 1


def test_members_by_what_is_known_of_them(services: FakeMonitoringServices, registry: CollectorRegistry) -> None:
    assert "appliance_members" not in Scraped(registry).text
    services.current = FIGURES._replace(members={"alive": 7, "dead": 1})
    scraped = Scraped(registry)
    assert scraped("appliance_members", standing="alive") == 7
    assert scraped("appliance_members", standing="dead") == 1
