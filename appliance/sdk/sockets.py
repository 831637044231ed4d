"""Small things about sockets that several parts need."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import struct
from contextlib import suppress
from typing import Final

from appliance.errors import ExitCode
from appliance.sdk.errors import SDKError

_AT_ONCE: Final = struct.pack("ii", 1, 0)
"""struct linger of socket(7): on, zero seconds."""


class BadAddress(SDKError):
    """What should be an address with a port is none, or cannot be had."""

    exit_code = ExitCode.INVALID


def abort(stream: socket.socket) -> None:
    """When it is closed next, the other side sees that it was broken off, and not an end.

    A user-space node's stream is one of AF_UNIX, which knows no such thing: a byte with a descriptor beside it says so to the
    node. Where there is no room for it, because the peer does not read, the stream ends as by `close`.
    """
    with suppress(OSError):
        if stream.family != socket.AF_UNIX:
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        elif stream.type == socket.SOCK_STREAM:
            _mark(stream)


def _mark(stream: socket.socket) -> None:
    mark = os.eventfd(0)
    try:
        socket.send_fds(stream, [b"\0"], [mark], socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
    finally:
        os.close(mark)


def address_of(text: str) -> tuple[str, int]:
    """From a text like "127.0.0.1:80", "[::1]:80" or "80", which is of 127.0.0.1. Raises BadAddress."""
    host, separator, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if separator else "127.0.0.1"
    try:
        if not (port.isascii() and port.isdecimal() and 0 <= int(port) < 65536):
            raise ValueError(port)
        return str(ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)), int(port)
    except ValueError:
        raise BadAddress(f"{text!r} is no address with a port", hint="for example 127.0.0.1:8080, [::1]:8080 or 8080") from None


def made(address: tuple[str, int], kind: int) -> socket.socket:
    """A non-blocking socket of the family of `address`."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    return socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)


def listening(address: tuple[str, int], kind: int = socket.SOCK_STREAM, waiting: int = 128) -> socket.socket:
    """A socket bound there, and listening if it is for streams. Raises BadAddress if it cannot be had."""
    bound = made(address, kind)
    try:
        if kind == socket.SOCK_STREAM:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        if kind == socket.SOCK_STREAM:
            bound.listen(waiting)
    except OSError as error:
        bound.close()
        raise BadAddress(
            f"{address[0]} port {address[1]} of this host cannot be had: {error.strerror}",
            hint="choose another one, or port 0 for any that is free",
        ) from error
    return bound


async def read_exactly(stream: socket.socket, size: int) -> bytes:
    """So many bytes and none more. Raises EOFError, OSError."""
    loop, found = asyncio.get_running_loop(), bytearray()
    while len(found) < size:
        piece = await loop.sock_recv(stream, size - len(found))
        if not piece:
            raise EOFError
        found += piece
    return bytes(found)
