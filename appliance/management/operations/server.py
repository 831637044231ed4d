"""Rows about the API server itself."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from appliance.management.operations.row import AnsweredBy, Result, Row, Verb


class ServerFigures(Result):
    """How the API server is."""

    uptime: float
    """Seconds."""
    memory: int
    """Bytes that it has in memory."""
    connections: int
    """Now, also those at the Unix socket."""
    accepted: int
    """Connections since the start."""
    streams: int
    """Answers under way that have no end of their own."""
    requests: dict[str, int] = Field(examples=[{"2xx": 120, "4xx": 3}])
    """Answered since the start, by class of status."""
    refused: dict[str, int] = Field(examples=[{"rate": 3}])
    """What went no further than the edge, by reason."""


ROWS: Final = (
    Row(
        "server",
        "how the API server is, and what it refused",
        "Server",
        "node.read",
        Verb.GET,
        "/server",
        ServerFigures,
        answered_by=AnsweredBy.SERVER,
    ),
)
