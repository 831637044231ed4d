"""SOCKS5 as a server speaks it (RFC 1928): greeting, request, answer, and the header of its datagrams. Without authentication."""

from __future__ import annotations

import ipaddress
import struct
from enum import IntEnum
from typing import Final, NamedTuple

from appliance.errors import PeerFault

VERSION: Final = 5
NO_AUTHENTICATION, NONE_ACCEPTABLE = 0, 0xFF
_PORT: Final = struct.Struct("!H")
_V4, _NAME, _V6 = 1, 3, 4
_LENGTHS: Final = {_V4: 4, _V6: 16}
MALFORMED: Final = "malformed"


class Command(IntEnum):
    """What a client asks for (section 4)."""

    CONNECT = 1
    BIND = 2
    UDP_ASSOCIATE = 3


class Reply(IntEnum):
    """How it went (section 6)."""

    SUCCEEDED = 0
    FAILURE = 1
    NOT_ALLOWED = 2
    HOST_UNREACHABLE = 4
    REFUSED = 5
    COMMAND_NOT_SUPPORTED = 7
    ADDRESS_NOT_SUPPORTED = 8


class Destination(NamedTuple):
    """A host, by name or address, and its port."""

    host: str
    port: int


def chosen_method(methods: bytes) -> int:
    """The method of authentication, of those that the client offers."""
    return NO_AUTHENTICATION if NO_AUTHENTICATION in methods else NONE_ACCEPTABLE


def rest_of_address(kind: int, first: int) -> int:
    """How many bytes an address and its port have behind the byte of its kind and the one after that. Raises PeerFault."""
    if kind == _NAME:
        return first + _PORT.size
    if kind in _LENGTHS:
        return _LENGTHS[kind] - 1 + _PORT.size
    raise PeerFault(MALFORMED)


def read_destination(kind: int, rest: bytes) -> Destination:
    """From the kind of address and all bytes behind it. Raises PeerFault."""
    body, port = rest[: -_PORT.size], _PORT.unpack(rest[-_PORT.size :])[0]
    if kind == _NAME:
        if not body[1:]:
            raise PeerFault(MALFORMED)
        try:
            return Destination(body[1:].decode("ascii"), port)
        except UnicodeDecodeError as error:
            raise PeerFault(MALFORMED) from error
    return Destination(str(ipaddress.ip_address(body)), port)


def reply(code: Reply, at: tuple[str, int] = ("0.0.0.0", 0)) -> bytes:
    """The answer to a request; `at`: where this end is."""
    return bytes((VERSION, code, 0)) + _encoded(Destination(*at))


def read_datagram(datagram: bytes) -> tuple[Destination, bytes]:
    """Where a client's datagram is to go, and what it says (section 7). Raises PeerFault; also for a part of a larger one, since
    putting them together is optional."""
    if len(datagram) < 5 or datagram[:3] != bytes(3):
        raise PeerFault(MALFORMED)
    end = 5 + rest_of_address(datagram[3], datagram[4])
    if len(datagram) < end:
        raise PeerFault(MALFORMED)
    return read_destination(datagram[3], datagram[4:end]), datagram[end:]


def encode_datagram(source: Destination, data: bytes) -> bytes:
    """A datagram for the client, with where it came from."""
    return bytes(3) + _encoded(source) + data


def _encoded(destination: Destination) -> bytes:
    port = _PORT.pack(destination.port)
    try:
        address = ipaddress.ip_address(destination.host)
    except ValueError:
        name = destination.host.encode("ascii", "replace")[:255]
        return bytes((_NAME, len(name))) + name + port
    return bytes((_V4 if address.version == 4 else _V6,)) + address.packed + port
