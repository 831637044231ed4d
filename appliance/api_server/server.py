"""Answers what is about the API server itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from appliance.api_server.answering import Call, Handler
from appliance.api_server.edge.edge import Edge
from appliance.api_server.edge.tls import Tls
from appliance.foundation import clock


def edge_handlers(
    edge: Edge, tls: Tls, node: Callable[[], Mapping[str, Any]], traces: Callable[[], Mapping[str, Any]] | None = None
) -> dict[str, Handler]:
    """By the names of their rows. `node` tells how that answers, `traces` how recording and sending traces goes, where there are
    any."""
    began = clock.monotonic()

    async def figures(_call: Call) -> dict[str, Any]:
        return {
            "uptime": round(clock.monotonic() - began, 1),
            "memory": _memory(),
            **edge.shown(),
            "certificate": tls.pins._asdict(),
            "node": node(),
            "tracing": None if traces is None else traces(),
        }

    async def rotate(_call: Call) -> dict[str, Any]:
        return (await tls.rotate())._asdict()

    return {"server": figures, "server.rotate": rotate}


def _memory() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
