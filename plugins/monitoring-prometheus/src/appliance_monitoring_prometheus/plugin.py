"""Registers the monitoring kinds `prometheus` and `health`. Importing it costs next to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.api.hookspecs import hookimpl
from appliance.api.monitoring import MonitoringServices, MonitorKind

if TYPE_CHECKING:
    from appliance_monitoring_prometheus.http import HttpServer
    from appliance_monitoring_prometheus.settings import HealthSettings, PrometheusSettings

conformance = {name: {"settings": {"listen": "127.0.0.1:0"}} for name in ("prometheus", "health")}
"""For `appliance plugin check`: settings that work on any machine."""


def _prometheus_settings() -> type[PrometheusSettings]:
    from appliance_monitoring_prometheus.settings import PrometheusSettings

    return PrometheusSettings


def _health_settings() -> type[HealthSettings]:
    from appliance_monitoring_prometheus.settings import HealthSettings

    return HealthSettings


def _open_prometheus(settings: PrometheusSettings, services: MonitoringServices) -> HttpServer:
    from appliance_monitoring_prometheus.metrics import open_metrics

    return open_metrics(settings, services)


def _open_health(settings: HealthSettings, services: MonitoringServices) -> HttpServer:
    from appliance_monitoring_prometheus.health import open_health

    return open_health(settings, services)


@hookimpl
def appliance_monitors() -> tuple[MonitorKind, ...]:
    """Both kinds."""
    return (
        MonitorKind("prometheus", _prometheus_settings, _open_prometheus),
        MonitorKind("health", _health_settings, _open_health),
    )
