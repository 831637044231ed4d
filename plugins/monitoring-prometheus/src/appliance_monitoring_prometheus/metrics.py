"""The kind `prometheus`: /metrics in the format that the scraper asks for."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from appliance_monitoring_prometheus.collector import NodeCollector
from appliance_monitoring_prometheus.http import HttpServer, Page

if TYPE_CHECKING:
    from appliance.api.monitoring import MonitoringServices
    from appliance_monitoring_prometheus.settings import PrometheusSettings


def open_metrics(settings: PrometheusSettings, services: MonitoringServices) -> HttpServer:
    """Serve the figures of `services`."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(NodeCollector(services))

    def page(accept: str) -> Page:
        encode, content_type = choose_encoder(accept)
        return Page(HTTPStatus.OK, content_type, encode(registry))

    return HttpServer(settings.listen, {"/metrics": page})
