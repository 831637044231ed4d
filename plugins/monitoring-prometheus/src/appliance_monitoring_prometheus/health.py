"""The kind `health`: pages for whoever restarts, routes to or watches this node.

/health      200 while the daemon lives at all
/ready       200 when traffic can flow, else 503
/api/health  each part and the peers, in detail; 200 or 503 as /ready
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from appliance_monitoring_prometheus.http import HttpServer, Page

if TYPE_CHECKING:
    from appliance.api.monitoring import MonitoringServices, NodeFigures
    from appliance_monitoring_prometheus.settings import HealthSettings


def open_health(settings: HealthSettings, services: MonitoringServices) -> HttpServer:
    """Serve the three pages."""

    def live(accept: str) -> Page:
        del accept
        return _page(HTTPStatus.OK, {"status": "ok", "uptime_s": round(services.figures().uptime, 3)})

    def ready(accept: str) -> Page:
        del accept
        figures = services.figures()
        return _page(_status(figures), {"ready": figures.ready, "problems": _problems(figures)})

    def detail(accept: str) -> Page:
        del accept
        figures = services.figures()
        return _page(_status(figures), _detail(figures))

    return HttpServer(settings.listen, {"/health": live, "/ready": ready, "/api/health": detail})


def _detail(figures: NodeFigures) -> dict[str, Any]:
    working = "degraded" if _problems(figures) else "ok"
    return {
        "status": working if figures.ready else "unavailable",
        "version": figures.version,
        "uptime_s": round(figures.uptime, 3),
        "components": dict(figures.components),
        "peers": {"configured": figures.peers_configured, "connected": len({session.peer for session in figures.sessions})},
        "sessions": len(figures.sessions),
    }


def _problems(figures: NodeFigures) -> dict[str, str]:
    return {name: state for name, state in figures.components.items() if state != "ok"}


def _status(figures: NodeFigures) -> HTTPStatus:
    return HTTPStatus.OK if figures.ready else HTTPStatus.SERVICE_UNAVAILABLE


def _page(status: HTTPStatus, content: dict[str, Any]) -> Page:
    return Page(status, "application/json", json.dumps(content).encode() + b"\n")
