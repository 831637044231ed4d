"""Figures of a node that does not run, for tests of monitors."""

from __future__ import annotations

from appliance.api.monitoring import LoopFigures, NodeFigures, SessionFigures
from appliance.testing.services import FakeServices

SESSION = SessionFigures(
    peer="laptop",
    session_id="8a6e0804-2bd0-4672-b79d-d97027f9071a",
    state="active",
    suite="aes-256-gcm",
    pq=True,
    transport="udp",
    endpoint="udp://198.51.100.7:8443",
    rx_packets=10,
    rx_bytes=14_000,
    tx_packets=20,
    tx_bytes=28_000,
    rtt=0.012,
    age=100.0,
    idle=0.5,
    epoch=3,
)
FIGURES = NodeFigures(
    name="office-gateway",
    version="0.1.0",
    uptime=123.0,
    sessions=(SESSION,),
    peers_configured=2,
    drops={"replayed": 1, "malformed": 7},
    handshakes={"completed": 1, "timeout": 2},
    protocols={"question-and-answer": {"asked": 3, "control-flood": 1}},
    components={"worker": "ok", "routing": "ok"},
    ready=True,
    loop=LoopFigures(longest=0.012, late=3),
)


class FakeMonitoringServices(FakeServices):
    """`MonitoringServices` of `appliance.api.monitoring`; a test may change `current` while the monitor runs."""

    def __init__(self, figures: NodeFigures = FIGURES) -> None:
        super().__init__()
        self.current = figures
        self.asked = 0

    def figures(self) -> NodeFigures:
        """`current`."""
        self.asked += 1
        return self.current
