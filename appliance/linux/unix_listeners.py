"""Who listens on an abstract UNIX socket, asked of the kernel. (Connecting would tell it too, but may have to wait.)"""

from __future__ import annotations

import socket
import struct

from appliance.linux.rtnetlink import ask, attributes

_SOCK_DIAG = 4
_BY_FAMILY = 20
"""linux/netlink.h: NETLINK_SOCK_DIAG; sock_diag.h: SOCK_DIAG_BY_FAMILY."""
_LISTENING = 1 << 10
_SHOW_NAME_AND_UID = 0x41
_NAME, _UID = 0, 7
"""linux/unix_diag.h: UDIAG_SHOW_NAME | UDIAG_SHOW_UID, UNIX_DIAG_NAME, UNIX_DIAG_UID (since 5.3)."""
_REQUEST = struct.Struct("=BBHIIIII")
_MESSAGE_BYTES = 16
"""struct unix_diag_msg, which comes before the attributes."""
SECONDS = 1.0


def listener_uid(address: str) -> int | None:
    """The user who made the abstract socket `address` (with its leading NUL) that listens in this network namespace. None if
    there is none, or if the kernel does not tell."""
    request, name = _REQUEST.pack(socket.AF_UNIX, 0, 0, _LISTENING, 0, _SHOW_NAME_AND_UID, 0, 0), address.encode()
    try:
        for _, body in ask(_BY_FAMILY, request, dump=True, protocol=_SOCK_DIAG, patience=SECONDS):
            found = dict(attributes(body[_MESSAGE_BYTES:]))
            if found.get(_NAME) == name and _UID in found:
                return int.from_bytes(found[_UID], "little")
    except OSError:
        pass
    return None
