"""The kernel's TCP/IP as the far side of a packet device: a TUN device in a throw-away namespace, joined to a pair."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from typing import Any, Self

from appliance.linux import tun
from appliance.runtime.workers.packet_device import packet_pair
from tests.netns.throwaway import Throwaway

NAME = "judge0"
KERNEL, OURS = "10.8.0.1", "10.8.0.2"
KERNEL6, OURS6 = "fd00:8::1", "fd00:8::2"
MOST = 65536 + 10


class TunPeer:
    """`device` is what an endpoint takes. Packets are moved one by one; what the other side has no room for is lost."""

    def __init__(self, namespace: Throwaway, mtu: int = 1400) -> None:
        self.namespace = namespace
        self._tun = namespace.run(_make)
        namespace.sh(
            f"ip addr add {KERNEL}/24 dev {NAME}; ip link set {NAME} mtu {mtu} up; ip -6 addr add {KERNEL6}/64 dev {NAME} nodad"
        )
        self._worker, self.device = packet_pair(vnet_hdr=True)
        self._room = memoryview(bytearray(MOST))

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        loop.add_reader(self._tun.fd, self._move, self._tun.fd, self._worker.fd)
        loop.add_reader(self._worker.fd, self._move, self._worker.fd, self._tun.fd)
        return self

    def __exit__(self, *exc: object) -> None:
        loop = asyncio.get_running_loop()
        for fd in (self._tun.fd, self._worker.fd):
            loop.remove_reader(fd)
            os.close(fd)

    def _move(self, source: int, target: int) -> None:
        for _ in range(64):
            try:
                length = os.readv(source, [self._room])
                if length:
                    os.write(target, self._room[:length])
                else:
                    asyncio.get_running_loop().remove_reader(source)
                    return
            except BlockingIOError:
                return
            except OSError:
                continue

    def socket(self, *args: Any) -> socket.socket:
        """A socket of the kernel's inside."""
        made = self.namespace.run(socket.socket, *args)
        made.settimeout(0)
        return made

    def popen(self, *command: str, **named: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["nsenter", f"--net=/run/netns/{self.namespace.name}", *command], **named)


def _make() -> tun.TunDevice:
    tun.create(NAME)
    return tun.attach(NAME)
