"""Sockets inside the overlay for a node without a TUN device (`streams.sockets.OverlaySockets`)."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

from appliance.errors import HostError
from appliance.tcp.stack import NoPort

if TYPE_CHECKING:
    from appliance.runtime.peers.table import Address
    from appliance.runtime.streams.sockets import Listening, Taken
    from appliance.runtime.userspace.endpoint import Endpoint


class UserspaceSockets:
    """Those of an endpoint. An application gets AF_UNIX sockets: of type SOCK_STREAM, or SOCK_SEQPACKET for datagrams."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def connect(self, to: Address, port: int, *, datagrams: bool = False) -> socket.socket:
        """As `OverlaySockets`."""
        if datagrams:
            return self._endpoint.connect_datagrams(to.packed, port)
        return await self._endpoint.connect(to.packed, port)

    def listen(self, port: int, taken: Taken) -> Listening:
        """As `OverlaySockets`."""

        def opened(theirs: socket.socket, address: bytes, far_port: int) -> None:
            taken(theirs, (ipaddress.ip_address(address), far_port))

        try:
            return _Listener(self._endpoint, self._endpoint.listen(port, opened))
        except NoPort as error:
            raise HostError(f"port {port} of this node in the overlay cannot be had: {error}") from error


class _Listener:
    def __init__(self, endpoint: Endpoint, port: int) -> None:
        self._endpoint = endpoint
        self._port = port

    def close(self) -> None:
        self._endpoint.unlisten(self._port)
