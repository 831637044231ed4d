"""What a lab needs: root, or an unprivileged user namespace in which this user is root.

There the user owns the network namespaces that it makes, and a tmpfs over /run gives `ip netns` a place for their names.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from appliance.errors import MissingPrivilege
from appliance.foundation import interpreter
from appliance.lab import traces
from appliance.linux.machine import may_change_network

TUN = Path("/dev/net/tun")
MOUNTS: Final = Path("/proc/self/mountinfo")
INSIDE: Final = "APPLIANCE_LAB_INSIDE"
"""Is set for the process inside the user namespace, so that it does not make another one."""
_UNSHARE: Final = ("unshare", "--user", "--map-root-user", "--net", "--mount")
_PREPARE: Final = 'mount -t tmpfs -o mode=755 tmpfs /run && ip link set lo up && exec "$@"'


def ensure(words: Sequence[str]) -> None:
    """Returns if this process may build a lab. If not, it becomes `appliance WORDS` in a user namespace where it may.

    Raises MissingPrivilege with the reason why neither is possible.
    """
    _check_tun()
    if os.geteuid() == 0 and may_change_network() and _may_mount():
        return
    if INSIDE in os.environ:
        raise MissingPrivilege(
            "the user namespace of this kernel does not allow a lab", hint="run it as root (sudo), or on a kernel of your own"
        )
    if _in_chroot():
        raise MissingPrivilege(
            "a lab cannot be built inside a chroot: mounts are refused there, and the kernel allows no user namespace",
            hint="enter that directory by pivot_root in a mount namespace of its own, as `make bare` and systemd-nspawn do",
        )
    obstacle = _try([*_UNSHARE, "sh", "-c", _PREPARE, "sh", "true"])
    if obstacle:
        raise MissingPrivilege(
            f"a lab needs root, or user namespaces, which this machine does not let you have ({obstacle})",
            hint="run it as root (sudo); or allow them: sysctl kernel.unprivileged_userns_clone=1, "
            "kernel.apparmor_restrict_unprivileged_userns=0, user.max_user_namespaces=10000; a chroot never has them",
        )
    traces.sweep_scratch()  # from outside this user may kill what an earlier lab's namespace holds; from inside the next one not
    os.environ[INSIDE] = "1"
    sys.stdout.flush()
    sys.stderr.flush()
    inside = [*_UNSHARE, "sh", "-c", _PREPARE, "sh", *interpreter.command("appliance.cli", *words)]
    os.execvp("unshare", inside)  # noqa: S606 - this process goes on as that one


def ensure_root(what: str) -> None:
    """Returns if this process is root, and may have TUN devices. Raises MissingPrivilege."""
    if os.geteuid():
        raise MissingPrivilege(f"{what} need root", hint="run it with sudo")
    _check_tun()


def _check_tun() -> None:
    if not TUN.exists():
        raise MissingPrivilege(
            f"there is no {TUN} here", hint="load the module: sudo modprobe tun; in a container, pass the device in"
        )
    try:
        os.close(os.open(TUN, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        raise MissingPrivilege(
            f"{TUN} cannot be opened: {(error.strerror or str(error)).lower()}",
            hint=f"run it as root (sudo), or: sudo chmod 666 {TUN}",
        ) from error


def _in_chroot() -> bool:
    """Is the root directory no mount point? Otherwise a chroot looks like any other root."""
    try:
        mounts = MOUNTS.read_text().splitlines()
    except OSError:
        return False
    return not any(mount.split()[4] == "/" for mount in mounts)


def _may_mount() -> bool:
    """Giving a namespace a name is a mount, which root in a container may not do."""
    return not _try(["unshare", "--net", "--mount", "true"])


def _try(words: Sequence[str]) -> str:
    """Why a command does not work; "" if it does."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError as error:
        return f"{words[0]}: {error.strerror}"
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
