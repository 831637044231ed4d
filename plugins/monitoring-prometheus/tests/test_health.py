"""Liveness, readiness, detail."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from asyncio import to_thread
from typing import Any

from appliance.api.monitoring import MonitorKind
from appliance.testing.conformance.monitoring import MonitoringConformance
from appliance.testing.monitoring import FIGURES, FakeMonitoringServices
from appliance_monitoring_prometheus.health import open_health
from appliance_monitoring_prometheus.http import HttpServer
from appliance_monitoring_prometheus.plugin import appliance_monitors
from appliance_monitoring_prometheus.settings import HealthSettings

LOCAL = HealthSettings.model_validate({"listen": "127.0.0.1:0"})
BROKEN = FIGURES._replace(ready=False, components={"worker": "it does not run", "routing": "ok"})


def get(server: HttpServer, path: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


class TestConformance(MonitoringConformance):
    def kind(self) -> MonitorKind:
        return appliance_monitors()[1]

    def settings(self) -> dict[str, str]:
        return {"listen": "127.0.0.1:0"}

    async def look(self, monitor: object) -> None:
        assert isinstance(monitor, HttpServer)
        for path in ("/health", "/ready", "/api/health"):
            status, _ = await to_thread(get, monitor, path)
            assert status in {200, 503}


async def test_a_node_that_works() -> None:
    async with open_health(LOCAL, FakeMonitoringServices()) as server:
        assert (await to_thread(get, server, "/health"))[0] == 200
        assert await to_thread(get, server, "/ready") == (200, {"ready": True, "problems": {}})
        status, detail = await to_thread(get, server, "/api/health")
    assert status == 200
    assert detail["status"] == "ok"
    assert detail["peers"] == {"configured": 2, "connected": 1}
    assert detail["components"] == {"worker": "ok", "routing": "ok"}


async def test_a_node_that_lives_but_does_not_work() -> None:
    async with open_health(LOCAL, FakeMonitoringServices(BROKEN)) as server:
        assert (await to_thread(get, server, "/health"))[0] == 200
        assert await to_thread(get, server, "/ready") == (503, {"ready": False, "problems": {"worker": "it does not run"}})
        assert (await to_thread(get, server, "/api/health"))[1]["status"] == "unavailable"


async def test_a_node_that_works_in_part() -> None:
    degraded = FIGURES._replace(components={"monitoring.other": "port in use"})
    async with open_health(LOCAL, FakeMonitoringServices(degraded)) as server:
        assert (await to_thread(get, server, "/ready"))[0] == 200
        assert (await to_thread(get, server, "/api/health"))[1]["status"] == "degraded"
