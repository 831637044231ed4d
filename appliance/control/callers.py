"""Who asks on the control socket: the kernel says (SO_PEERCRED), and the system's databases of users and groups."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

from appliance.api.management import Principal
from appliance.foundation import places
from appliance.linux import namespaces

_UCRED = struct.Struct("3i")
"""struct ucred of unix(7): pid, uid, gid."""


def nameless(connection: socket.socket) -> Principal:
    """The process at the other end when it connected; its user's number stands for its name."""
    pid, uid, gid = _credentials(connection)
    return Principal("local", str(uid), uid, gid, pid)


def named(principal: Principal) -> Principal:
    """The same with its user's name. May wait for somebody's directory server."""
    return principal if principal.uid is None else principal._replace(name=name_of(principal.uid))


def user_of(connection: socket.socket) -> int:
    """The user at the other end: at the daemon's end the one who connected, at a caller's end the one who listens."""
    return _credentials(connection)[1]


def is_ours(uid: int) -> bool:
    """May a daemon of this user be believed? One of root's, of our own user's, and of the user to whom root gave
    /run/appliance."""
    return uid in {0, os.geteuid()} or uid == _owner(places.RUN)


def name_of(uid: int) -> str:
    """A user's name, the number where there is none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _credentials(connection: socket.socket) -> tuple[int, int, int]:
    pid, uid, gid = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return pid, uid, gid


def is_member(principal: Principal, group: str) -> bool:
    """Is the caller in this group of the system's, by its process or by its user? May wait for somebody's directory server.

    In a user namespace without root the kernel shows every user but our own, and every group, as nobody's: nobody is in any."""
    import grp

    if namespaces.first_user() and principal.uid != os.geteuid():
        return False
    try:
        number = grp.getgrnam(group).gr_gid
        return principal.gid == number or number in os.getgrouplist(principal.name, principal.gid or 0)
    except (KeyError, OSError):
        return False


def _owner(folder: Path) -> int | None:
    try:
        return folder.stat().st_uid
    except OSError:
        return None
