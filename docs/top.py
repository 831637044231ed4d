"""Draws the screen of `appliance top` for analytics.md, on figures that stand here.

.venv/bin/python docs/top.py >docs/top.svg
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterator
from typing import Any, Self

from appliance.cli.top.app import Top
from appliance.cli.top.snapshot import Look

SIZE = (100, 20)
"""Columns and lines."""
PEERS = (
    # name, connected, path, round trip in ms, bytes in and out a second, endpoint or reason
    ("berlin", True, "direct", 12.4, 4_200_000, 310_000, "udp://192.0.2.10:8443"),
    ("lisbon", True, "direct", 38.9, 920_000, 88_000, "quic://198.51.100.7:443"),
    ("laptop", True, "relayed", 71.2, 12_000, 9_000, "relay://llp1-berlin"),
    ("phone", False, None, None, 0, 0, "timed out"),
)
DROPS = {"no_session": 120, "replayed": 4}


def looks() -> Iterator[Look]:
    """Each a second after the one before."""
    for second in range(1_000):
        yield Look(float(second), "", {"ready": True, "problems": {}}, _metrics(second), [_peer(*each) for each in PEERS], None)


def _metrics(second: int) -> dict[str, Any]:
    sessions = [
        {"peer": name, "session_id": name, "rx_bytes": received * second, "tx_bytes": sent * second}
        for name, connected, _, _, received, sent, _ in PEERS
        if connected
    ]
    process = {"memory": 47_000_000, "descriptors": 31, "most_descriptors": 1024, "waited": None}
    return {
        "name": "gateway",
        "version": "0.1.0",
        "uptime": 93_600.0 + second,
        "sessions": sessions,
        "drops": {reason: count + second for reason, count in DROPS.items()},
        "processes": [
            process | {"name": "control", "pid": 812, "cpu": 0.008 * second},
            process | {"name": "worker 0", "pid": 815, "cpu": 0.12 * second, "memory": 30_000_000},
        ],
        "loop": {"longest": 0.003, "late": 0},
        "disk": {"total": 100 * 10**9, "free": 41 * 10**9},
    }


def _peer(name: str, connected: bool, path: str | None, rtt: float | None, _in: int, _out: int, where: str) -> dict[str, Any]:
    known = {"name": name, "identity": f"llp1-{name}", "origin": "member", "connected": connected, "path": path, "rtt_ms": rtt}
    return known | ({"endpoint": where} if connected else {"last_error": where})


class Example:
    """What `Looking` is, without a node."""

    def __init__(self) -> None:
        self._looks = looks()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def look(self) -> Look:
        """The next one."""
        return next(self._looks)


async def drawn() -> str:
    """The screen as SVG."""
    app = Top(0.1, Example)
    async with app.run_test(size=SIZE) as pilot:
        async with asyncio.timeout(60):
            while "/s" not in str(app.query_one("#head").render()):
                await pilot.pause(0.01)
        picture = app.export_screenshot(title="appliance top")
    return re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)  # which a browser would fetch from elsewhere


if __name__ == "__main__":
    sys.stdout.write(asyncio.run(drawn()))
