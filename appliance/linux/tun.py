"""TUN devices by ioctl: making a persistent one, and opening it with the offloads that the kernel has. Nothing else opens
/dev/net/tun.

A persistent device outlives every process, so a worker that dies does not change the host's network.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import HostError, MissingPrivilege
from appliance.linux import namespaces
from appliance.linux.refusals import refused

# linux/if_tun.h
TUNSETIFF = 0x400454CA
TUNSETPERSIST = 0x400454CB
TUNSETOWNER = 0x400454CC
TUNSETGROUP = 0x400454CE
TUNSETOFFLOAD = 0x400454D0
TUNSETQUEUE = 0x400454D9
TUNGETIFF = 0x800454D2
TUNGETDEVNETNS = 0x54E3
IFF_TUN = 0x0001
IFF_MULTI_QUEUE = 0x0100
IFF_ATTACH_QUEUE = 0x0200
IFF_DETACH_QUEUE = 0x0400
IFF_NO_PI = 0x1000
IFF_VNET_HDR = 0x4000
OFFLOADS = {"csum": 0x01, "tso4": 0x02, "tso6": 0x04, "uso4": 0x20, "uso6": 0x40}
OFFLOAD_TRIES = (
    frozenset(OFFLOADS),
    frozenset({"csum", "tso4", "tso6"}),  # Linux before 6.2 has no USO
    frozenset({"csum"}),
)

_IFREQ = struct.Struct("16sH22x")


@dataclass(frozen=True, slots=True)
class TunDevice:
    """A TUN device that is open, or one queue of it."""

    name: str
    fd: int
    """Does not block. Reads and writes whole packets."""
    vnet_hdr: bool
    """Each packet has a virtio-net header of 10 bytes in front."""
    offloads: frozenset[str]
    """Names of the offloads that the kernel granted ("tso4", …). Without any, no packet is longer than the MTU."""
    pair: bool = False
    lasts: bool = True
    """False for a device that ends with the process that holds it."""

    def has_ended(self) -> bool:
        """It may be lost, and then it is made anew: see `is_at`."""
        return False

    def close(self) -> None:
        """Close it. The device stays."""
        os.close(self.fd)

    def is_at(self, name: str) -> bool:
        """Is it still there, with that name, and in this network namespace?"""
        return self.name_now() == name

    def name_now(self) -> str:
        """The name of the device; empty if it is gone, or in another namespace."""
        try:
            shown = fcntl.ioctl(self.fd, TUNGETIFF, bytes(_IFREQ.size))
        except OSError:
            return ""
        return shown[:16].rstrip(b"\0").decode() if _is_in_this_namespace(self.fd) else ""

    def let_go(self, *, ours: bool) -> None:
        """From now on this descriptor gives nothing and takes nothing. A device that is `ours` vanishes with its last
        descriptor."""
        if ours:
            with suppress(OSError):  # it is gone already
                fcntl.ioctl(self.fd, TUNSETPERSIST, 0)
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), self.fd, inheritable=False)

    def rest(self) -> None:
        """For one of several queues: let the kernel give its packets to the others. Raises OSError."""
        fcntl.ioctl(self.fd, TUNSETQUEUE, _IFREQ.pack(b"", IFF_DETACH_QUEUE))

    def serve(self) -> None:
        """Take packets again. Raises OSError."""
        fcntl.ioctl(self.fd, TUNSETQUEUE, _IFREQ.pack(b"", IFF_ATTACH_QUEUE))


def require() -> None:
    """Raises HostError or MissingPrivilege if this process may make no TUN device."""
    os.close(_open_clone_device())


def create(name: str, *, multi_queue: bool = False, owner: int | None = None, group: int | None = None) -> None:
    """Make the persistent device `name`, or keep the one that is there, and give it to `owner` and `group`. Without an owner
    every user of the host may open a queue of it. Where there is no root, who stands for root gets it (`namespaces.first_user`).
    Raises HostError or MissingPrivilege."""
    fd = _open_clone_device()
    try:
        fcntl.ioctl(fd, TUNSETIFF, _request(name, multi_queue=multi_queue))
        for request, who, first in ((TUNSETOWNER, owner, namespaces.first_user), (TUNSETGROUP, group, namespaces.first_group)):
            if who is not None:
                fcntl.ioctl(fd, request, who or first())
        fcntl.ioctl(fd, TUNSETPERSIST, 1)
    except OSError as error:
        raise refused(error.errno, f"creating the TUN device {name}") from error
    finally:
        os.close(fd)


def attach(name: str, *, offload: bool = True, multi_queue: bool = False, lasts: bool = True) -> TunDevice:
    """Open the existing device `name`, with as many offloads as the kernel has, or with none if `offload` is false. `lasts`: see
    TunDevice.

    Raises HostError if it is not there or held by another process, MissingPrivilege if we may not open it.
    """
    try:
        socket.if_nametoindex(name)  # TUNSETIFF would make a missing device instead of telling us
    except OSError:
        raise HostError(f"there is no interface {name}", hint="apply the profile first: appliance apply") from None
    fd = _open_clone_device()
    try:
        fcntl.ioctl(fd, TUNSETIFF, _request(name, multi_queue=multi_queue))
        granted = _enable_offloads(fd) if offload else frozenset[str]()
        if not granted:
            fcntl.ioctl(fd, TUNSETOFFLOAD, 0)
    except OSError as error:
        os.close(fd)
        if error.errno == errno.EINVAL:
            raise HostError(
                f"{name} is not a TUN device of ours", hint="choose another network.interface, or remove it: ip link del " + name
            ) from error
        raise refused(error.errno, f"opening the TUN device {name}") from error
    return TunDevice(name, fd, vnet_hdr=True, offloads=granted, lasts=lasts)


def _is_in_this_namespace(fd: int) -> bool:
    try:
        namespace = fcntl.ioctl(fd, TUNGETDEVNETNS)
    except OSError:  # Linux before 5.2 does not tell
        return True
    try:
        there, here = os.fstat(namespace), Path("/proc/thread-self/ns/net").stat()
    finally:
        os.close(namespace)
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


def _enable_offloads(fd: int) -> frozenset[str]:
    for wanted in OFFLOAD_TRIES:
        try:
            fcntl.ioctl(fd, TUNSETOFFLOAD, sum(OFFLOADS[name] for name in wanted))
        except OSError:
            continue
        return wanted
    return frozenset()


def _request(name: str, *, multi_queue: bool) -> bytes:
    return _IFREQ.pack(name.encode(), IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | (IFF_MULTI_QUEUE if multi_queue else 0))


def _open_clone_device(path: Path = Path("/dev/net/tun")) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise HostError(
            f"{path} is missing", hint="load the module (modprobe tun), or pass the device into the container"
        ) from None
    except OSError as error:
        if error.errno == errno.EACCES:  # it is open to everybody where nobody changed that: what counts is CAP_NET_ADMIN
            raise MissingPrivilege(f"{path} is closed to this user", hint=f"as root: chmod 666 {path}") from error
        if error.errno == errno.EPERM:  # the control group's list of devices
            raise MissingPrivilege(
                f"this process may not open {path}", hint=f"pass it into the container: --device {path}"
            ) from error
        raise refused(error.errno, f"opening {path}") from error
