"""The edge of one API server: its limits, what it counts, and how connections come in."""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from appliance.api.profile_management import Management
from appliance.api_server.caller import Caller
from appliance.api_server.edge.acceptor import Acceptor
from appliance.api_server.edge.client_certificates import user_of, user_of_pem
from appliance.api_server.edge.figures import Figures
from appliance.api_server.edge.guard import Guard, Rules, Tolls
from appliance.api_server.edge.http import Http
from appliance.api_server.edge.limits import Buckets, Deadlines, Seats, Turns
from appliance.api_server.edge.shedding import Shedding
from appliance.management.tracing.span import Recorder
from appliance.protocol.pressure import Limits, Pressure

Named = Callable[[str], Awaitable[Caller]]
"""The user of that name, as a caller. Raises Unauthenticated."""
USUAL: Final = Deadlines()
SPARE: Final = 256
"""Descriptors beside those of connections."""
OF_GRPC: Final = 3
"""Descriptors of a connection to gRPC: the client's, and both ends of the one to the library."""


class Edge:
    """As the profile's section says."""

    def __init__(
        self, management: Management, deadlines: Deadlines = USUAL, pressure: Pressure | None = None, beside: int = 0
    ) -> None:
        """`pressure`: how short this process and its host are; None: nobody looks. `beside`: connections of others here."""
        self.section = management
        limits = management.limits
        self.named: Named | None = None
        """Finds the user of a certificate."""
        self.recorder: Recorder | None = None
        """Of spans; None where nothing is traced. To be set before the first guard is asked for."""
        self.figures = Figures()
        self.seats = Seats(limits.connections, limits.per_address)
        self.deadlines = deadlines
        self.shedding = Shedding(pressure or Pressure(Limits()))
        self._rules = Rules.of(management)
        self._tolls = Tolls(Buckets(limits.requests, limits.burst), Buckets(limits.requests, limits.burst), Turns(limits.at_once))
        _allow_descriptors(limits.connections * (OF_GRPC if management.grpc else 1) + SPARE + beside)

    def guard(self, app: ASGIApp) -> Guard:
        """What stands before the application."""
        return Guard(app, self._rules, self._tolls, self.figures, self.shedding, self.recorder)

    def accept(
        self, listener: socket.socket, config: uvicorn.Config, state: ServerState, context: Callable[[], ssl.SSLContext | None]
    ) -> Acceptor:
        """Let connections in there from now on."""

        def make() -> Http:
            return Http(config, state, self.figures, self.deadlines, self._who)

        return Acceptor(listener, make, context, self.seats, self.figures, self.deadlines.handshake)

    def _who(self, transport: asyncio.Transport) -> Callable[[], Awaitable[Caller]] | None:
        """How to find who it is at the other end, if the connection says so itself."""
        spoken = transport.get_extra_info("ssl_object")
        return self._named("" if spoken is None else user_of(spoken, self.section.tls.users))

    def who(self, pem: bytes) -> Callable[[], Awaitable[Caller]] | None:
        """The same, by a certificate that the other end has proved to have; b"" if it has none."""
        return self._named(user_of_pem(pem, self.section.tls.users) if pem else "")

    def _named(self, user: str) -> Callable[[], Awaitable[Caller]] | None:
        return partial(self.named, user) if user and self.named is not None else None

    def shown(self) -> dict[str, Any]:
        """JSON-able."""
        return {"connections": self.seats.taken, **self.figures.shown(), "short": self.shedding.shown()}


def _allow_descriptors(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count if hard == resource.RLIM_INFINITY else min(count, hard), hard))
