"""Why this host lets an ordinary user make no namespaces, and which sysctl, profile or flag lets him.

The kernel says little more than EPERM. What is known besides is read from its settings, which anybody may read.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from appliance.errors import MissingPrivilege

APPARMOR: Final = "kernel.apparmor_restrict_unprivileged_userns"
"""Ubuntu since 23.10: a program without an AppArmor profile that allows it gets a user namespace without capabilities."""
CLONE: Final = "kernel.unprivileged_userns_clone"
"""Debian's and Ubuntu's kernels, off by default up to Debian 10."""
USERS, NETWORKS = "user.max_user_namespaces", "user.max_net_namespaces"
"""user_namespaces(7). Red Hat Enterprise Linux 7 has the first at 0."""
SETTINGS: Final = (APPARMOR, CLONE, USERS, NETWORKS)
FILTERED: Final = "2"
"""SECCOMP_MODE_FILTER in /proc/self/status (proc(5))."""
NESTED: Final = "a user namespace may be the 33rd inside another; start the node further out"


class RootlessRefused(MissingPrivilege):
    """This host lets this process have no network of its own."""


class Known(NamedTuple):
    """What may explain a refusal."""

    settings: Mapping[str, str]
    """Of SETTINGS those that this kernel has, with their values."""
    filtered: bool = False
    """Is there a seccomp filter around this process?"""


def no_user_namespace(error: OSError) -> RootlessRefused:
    """The kernel refused a user namespace."""
    return _refused("a user namespace", error, users_remedy(error.errno or 0, _known()))


def no_network(error: OSError) -> RootlessRefused:
    """There is a user namespace, but with it comes no network."""
    return _refused("a network namespace", error, network_remedy(error.errno or 0, _known()))


def users_remedy(code: int, known: Known) -> str:
    """What makes user namespaces possible where unshare(2) failed with that errno."""
    if code in {errno.ENOSPC, errno.EUSERS}:
        if known.settings.get(USERS) == "0":
            return f"as root: sysctl -w {USERS}=10000"
        return f"as root: raise {USERS}, which is {known.settings.get(USERS, 'not known')}; or {NESTED}"
    if code == errno.EINVAL:
        return "a plugin of the profile started a thread while it was loaded, or this kernel has no CONFIG_USER_NS"
    if known.settings.get(CLONE) == "0":
        return f"as root: sysctl -w {CLONE}=1"
    if known.settings.get(APPARMOR) == "1":
        return _apparmor()
    if known.filtered:
        return _container()
    return "a chroot never has them; leave it, or ask who runs this host"


def network_remedy(code: int, known: Known) -> str:
    """What makes a network namespace possible where a user namespace was."""
    if code == errno.ENOSPC:
        return f"as root: raise {NETWORKS}, which is {known.settings.get(NETWORKS, 'not known')}"
    if known.settings.get(APPARMOR) == "1":
        return _apparmor()
    return _container() if known.filtered else "a security module of this host forbids it: its log says which"


def _refused(wanted: str, error: OSError, remedy: str) -> RootlessRefused:
    return RootlessRefused(
        f"this host refused {wanted}: {(error.strerror or str(error)).lower()}",
        hint=f"{remedy}; or do without: appliance run --userspace",
    )


def _apparmor() -> str:
    return (
        f"AppArmor forbids it to programs without a profile: as root, sysctl -w {APPARMOR}=0, or a profile for this program with "
        "the line `userns,` in /etc/apparmor.d"
    )


def _container() -> str:
    return (
        "a seccomp filter is around this process, as Docker has it: docker run --security-opt seccomp=unconfined --device "
        "/dev/net/tun, or Podman, which allows it"
    )


def _known() -> Known:
    settings = {key: value for key in SETTINGS if (value := _read(Path("/proc/sys", *key.split(".")))) is not None}
    status = _read(Path("/proc/self/status")) or ""
    mode = next((line.split()[1] for line in status.splitlines() if line.startswith("Seccomp:")), "0")
    return Known(settings, mode == FILTERED)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
