"""Turning the kernel's numbers into sentences for the admin."""

from __future__ import annotations

import errno
import os

from appliance.errors import ApplianceError, HostError, MissingPrivilege

PRIVILEGE_HINT = "run it as root, or give the process the capability CAP_NET_ADMIN"

_HINTS = {
    errno.ENODEV: "the interface is not there; look with: ip link",
    errno.ENETUNREACH: "the gateway is not reachable over any interface; look with: ip route get GATEWAY",
    errno.EHOSTUNREACH: "the gateway is not reachable over this interface; look with: ip route get GATEWAY",
    errno.EEXIST: "another program has just added the same; look with: ip addr, ip route, ip rule",
    errno.ENOSPC: "no space is left; free some and try again",
    errno.EBUSY: "another process holds it; is an appliance already running here? (appliance status)",
}


def refused(code: int | None, doing: str) -> ApplianceError:
    """The error to raise if the kernel answered `code` (an errno) while `doing` something ("adding the route …")."""
    if code in {errno.EPERM, errno.EACCES}:
        return MissingPrivilege(f"no permission for {doing}", hint=PRIVILEGE_HINT)
    reason = os.strerror(code) if code else "unknown reason"
    return HostError(f"the kernel refused {doing}: {reason}", hint=_HINTS.get(code or 0, ""))
