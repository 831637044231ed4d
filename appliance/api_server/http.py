"""HTTP/1.1 as uvicorn speaks it, with what it lacks: who is at the other end of a Unix socket."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from appliance.control.callers import user_of

LOCAL: Final = "local"
"""The host in an ASGI scope's `client` for a process of this host; the port is then the number of its user. No network address
is written like this."""


class Http(HttpToolsProtocol):
    """One connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """As uvicorn, and ask the kernel who that is."""
        super().connection_made(transport)
        connection: Any = transport.get_extra_info("socket")
        if connection is not None and connection.family == socket.AF_UNIX:
            self.client = LOCAL, user_of(connection)
