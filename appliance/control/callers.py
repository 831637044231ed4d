"""Who asks on the control socket: the kernel says (SO_PEERCRED), and what that caller may do."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Iterable
from pathlib import Path

from appliance.api.management import Principal, Verdict
from appliance.foundation import places

_UCRED = struct.Struct("3i")
"""struct ucred of unix(7): pid, uid, gid."""

Judge = Callable[[Principal, str, str, "Verdict | None"], Iterable[Verdict]]
"""What the plugins say to (principal, permission, target); the last argument is what one says that fails at this."""
NEVER_REFUSED = frozenset({"status", "health", "confirm", "rollback", "stop"})
"""What root may do whatever plugins say, or the host could not be brought back while the node runs."""


def principal_of(connection: socket.socket) -> Principal:
    """The process at the other end when it connected."""
    pid, uid, gid = _credentials(connection)
    return Principal("local", name_of(uid), uid, gid, pid)


def user_of(connection: socket.socket) -> int:
    """The user at the other end: who connected or, for whom we connected to, who listens there."""
    return _credentials(connection)[1]


def is_ours(uid: int) -> bool:
    """Is a control socket of this user the node's? Root's is, one's own, and that of whom root gave /run/appliance to."""
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


def may(principal: Principal, permission: str, target: str, *, group: str | None, judge: Judge) -> bool:
    """May `principal` do this? Root, the daemon's own user and members of `group` may; any plugin's deny wins over that, and a
    plugin's allow lets others in too. A plugin that fails denies it to everybody but root and the daemon's user."""
    owner = principal.uid in (0, os.geteuid())
    if owner and target in NEVER_REFUSED:
        return True
    verdicts = list(judge(principal, permission, target, None if owner else Verdict.DENY))
    if Verdict.DENY in verdicts:
        return False
    return Verdict.ALLOW in verdicts or owner or (group is not None and _in_group(principal, group))


def _in_group(principal: Principal, group: str) -> bool:
    import grp

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
