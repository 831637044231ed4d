"""The edge of one API server: its limits, what it counts, and how connections come in."""

from __future__ import annotations

import resource
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from appliance.api.profile_management import Management
from appliance.api_server.edge.acceptor import Acceptor
from appliance.api_server.edge.figures import Figures
from appliance.api_server.edge.guard import Guard, Rules, Tolls
from appliance.api_server.edge.http import Http
from appliance.api_server.edge.limits import Buckets, Deadlines, Seats, Turns

USUAL: Final = Deadlines()
SPARE: Final = 256
"""Descriptors beside those of connections."""


class Edge:
    """As the profile's section says."""

    def __init__(self, management: Management, deadlines: Deadlines = USUAL) -> None:
        limits = management.limits
        self.figures = Figures()
        self.seats = Seats(limits.connections, limits.per_address)
        self.deadlines = deadlines
        self._rules = Rules.of(management)
        self._tolls = Tolls(Buckets(limits.requests, limits.burst), Buckets(limits.requests, limits.burst), Turns(limits.at_once))
        _allow_descriptors(limits.connections + SPARE)

    def guard(self, app: ASGIApp) -> Guard:
        """What stands before the application."""
        return Guard(app, self._rules, self._tolls, self.figures)

    def accept(
        self, listener: socket.socket, config: uvicorn.Config, state: ServerState, context: Callable[[], ssl.SSLContext | None]
    ) -> Acceptor:
        """Let connections in there from now on."""

        def make() -> Http:
            return Http(config, state, self.figures, self.deadlines)

        return Acceptor(listener, make, context, self.seats, self.figures, self.deadlines.handshake)

    def shown(self) -> dict[str, Any]:
        """JSON-able."""
        return {"connections": self.seats.taken, **self.figures.shown()}


def _allow_descriptors(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count if hard == resource.RLIM_INFINITY else min(count, hard), hard))
