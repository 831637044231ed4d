"""Who asks on the control socket: the kernel says (SO_PEERCRED), and what that caller may do."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Iterable

from appliance.api.management import Principal, Verdict

_UCRED = struct.Struct("3i")
"""struct ucred of unix(7): pid, uid, gid."""

Judge = Callable[[Principal, str, str], Iterable[Verdict]]
"""What the plugins say to (principal, permission, target)."""


def principal_of(connection: socket.socket) -> Principal:
    """The process at the other end when it connected."""
    import pwd

    pid, uid, gid = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    return Principal("local", name, uid, gid, pid)


def may(principal: Principal, permission: str, target: str, *, group: str | None, judge: Judge) -> bool:
    """May `principal` do this? Root, the daemon's own user and members of `group` may; any plugin's deny wins over that, and a
    plugin's allow lets others in too."""
    verdicts = list(judge(principal, permission, target))
    if Verdict.DENY in verdicts:
        return False
    return Verdict.ALLOW in verdicts or principal.uid in (0, os.geteuid()) or (group is not None and _in_group(principal, group))


def _in_group(principal: Principal, group: str) -> bool:
    import grp

    try:
        number = grp.getgrnam(group).gr_gid
        return principal.gid == number or number in os.getgrouplist(principal.name, principal.gid or 0)
    except (KeyError, OSError):
        return False
