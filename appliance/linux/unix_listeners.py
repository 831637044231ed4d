"""Who listens on an abstract UNIX socket, asked of the kernel: connecting would tell it as well, but can be kept waiting."""

from __future__ import annotations

import socket
import struct

_SOCK_DIAG = 4
_BY_FAMILY = 20
_DUMP = 0x301
"""linux/netlink.h: NETLINK_SOCK_DIAG; sock_diag.h: SOCK_DIAG_BY_FAMILY; NLM_F_REQUEST | NLM_F_DUMP."""
_LISTENING = 1 << 10
_SHOW_NAME_AND_UID = 0x41
_NAME, _UID = 0, 7
"""linux/unix_diag.h: UDIAG_SHOW_NAME | UDIAG_SHOW_UID, UNIX_DIAG_NAME, UNIX_DIAG_UID (since 5.3)."""
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBHIIIII")
_MESSAGE_BYTES = 16
"""struct unix_diag_msg, which stands before the attributes."""
_ATTRIBUTE = struct.Struct("=HH")
SECONDS = 1.0


def listener_uid(address: str) -> int | None:
    """The user who made the abstract socket `address` (with its leading NUL) that listens in this network namespace; None when
    there is none, or the kernel does not say."""
    request = _REQUEST.pack(socket.AF_UNIX, 0, 0, _LISTENING, 0, _SHOW_NAME_AND_UID, 0, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as asking:
            asking.settimeout(SECONDS)
            asking.sendto(_HEADER.pack(_HEADER.size + len(request), _BY_FAMILY, _DUMP, 1, 0) + request, (0, 0))
            return _find(asking, address.encode())
    except OSError:
        return None


def _find(asking: socket.socket, name: bytes) -> int | None:
    while True:
        data = asking.recv(1 << 16)
        while len(data) >= _HEADER.size:
            length, kind, *_ = _HEADER.unpack_from(data)
            if kind != _BY_FAMILY:  # the end, or a refusal
                return None
            attributes = _attributes(data[_HEADER.size + _MESSAGE_BYTES : length])
            if attributes.get(_NAME) == name and _UID in attributes:
                return int.from_bytes(attributes[_UID], "little")
            data = data[_aligned(length) :]


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            break
        found[kind] = data[_ATTRIBUTE.size : length]
        data = data[_aligned(length) :]
    return found


def _aligned(length: int) -> int:
    return (length + 3) & ~3
