"""Sockets inside the overlay for a node without a TUN device (`streams.sockets.OverlaySockets`)."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING

from appliance.errors import HostError
from appliance.tcp.stack import NoPort

if TYPE_CHECKING:
    from appliance.runtime.peers.table import Address
    from appliance.runtime.streams.sockets import Heard, Hearing, Listening, Source, Taken
    from appliance.runtime.userspace.endpoint import Endpoint
    from appliance.tcp.datagrams import Datagram, UdpPort


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
            raise _taken(port, error) from error

    def hear(self, port: int, heard: Heard) -> Hearing:
        """As `OverlaySockets`."""

        def came(datagram: Datagram) -> None:
            source = ipaddress.ip_address(datagram.source), datagram.source_port
            heard(datagram.data, ipaddress.ip_address(datagram.destination), source)

        try:
            return _Ears(self._endpoint, self._endpoint.hear(port, came))
        except NoPort as error:
            raise _taken(port, error) from error

    def answering(self, at: Address, port: int, to: Source) -> socket.socket:
        """As `OverlaySockets`."""
        return self._endpoint.datagrams(port, (to[0].packed, to[1]), at.packed)


class _Listener:
    def __init__(self, endpoint: Endpoint, port: int) -> None:
        self._endpoint = endpoint
        self._port = port

    def close(self) -> None:
        self._endpoint.unlisten(self._port)


class _Ears:
    def __init__(self, endpoint: Endpoint, port: UdpPort) -> None:
        self._endpoint = endpoint
        self._port = port

    def send(self, data: bytes, at: Address, to: Source) -> None:
        self._endpoint.send(self._port, at.packed, (to[0].packed, to[1]), data)

    def close(self) -> None:
        self._endpoint.unhear(self._port)


def _taken(port: int, error: NoPort) -> HostError:
    return HostError(f"port {port} of this node in the overlay cannot be had: {error}")
