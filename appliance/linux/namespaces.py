"""User and network namespaces of this process and its threads: made, entered, known by their files (namespaces(7)).

By ctypes, because the standard library has unshare(2) and setns(2) from 3.12 on only.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from pathlib import Path
from typing import Final

CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWNET: Final = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
IFF_UP: Final = 0x1
_ifreq = struct.Struct("16sH22x")


class NoCapabilities(OSError):
    """There is a user namespace, but without the capabilities that belong to it."""


def unshare(kind: int) -> None:
    """The calling thread gets a new namespace of that kind. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(kind):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def become_user_namespace() -> None:
    """This process gets a user namespace of its own, with all capabilities there. Our user and group, and no others, are in it,
    with the numbers that they have outside. Raises OSError; EINVAL if there are other threads.

    To be called before `privileges.hide_memory`, which takes our files below /proc from us. setgroups(2) is given up, which the
    kernel asks of a user without privileges (user_namespaces(7)).
    """
    user, group = os.geteuid(), os.getegid()  # without a map they are nobody's
    unshare(CLONE_NEWUSER)
    for file, text in (("setgroups", "deny"), ("gid_map", f"{group} {group} 1"), ("uid_map", f"{user} {user} 1")):
        try:
            with Path("/proc/self", file).open("wb", buffering=0) as map_file:
                map_file.write(text.encode())
        except OSError as error:
            raise NoCapabilities(error.errno, error.strerror) from error


def first_user() -> int:
    """Who stands for root in this user namespace: root, or its only user where root is not in it."""
    return 0 if _has_root("uid_map") else os.geteuid()


def first_group() -> int:
    """The same of groups."""
    return 0 if _has_root("gid_map") else os.getegid()


def own_network() -> int:
    """A descriptor of the calling thread's network namespace. Raises OSError."""
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def enter_network(descriptor: int) -> None:
    """The calling thread, and whatever it starts, has that network from now on. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def raise_loopback() -> None:
    """Switch on `lo`, which is down in a new network namespace: without it this host does not reach its own addresses. Raises
    OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        _, flags = _ifreq.unpack(fcntl.ioctl(asking, SIOCGIFFLAGS, _ifreq.pack(b"lo", 0)))
        fcntl.ioctl(asking, SIOCSIFFLAGS, _ifreq.pack(b"lo", flags | IFF_UP))


def _has_root(mapped: str) -> bool:
    # Lines of: first number inside, first number outside, how many (user_namespaces(7)).
    return any(line.split()[0] == "0" for line in Path("/proc/self", mapped).read_text().splitlines())
