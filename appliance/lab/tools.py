"""What the probes use: programs and sockets on the hosts of a lab."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from appliance.lab import transfer as transfer_program
from appliance.lab.host import Host, LabFailure

IP_HEADER: Final = {4: 20, 6: 40}
ICMP_HEADER: Final = 8
IPV6_TRANSPARENT: Final = 75
"""linux/in6.h; Python does not name it."""


async def passes(source: Host, target: Host, version: int, size: int, *, whole: bool = True) -> bool:
    """Does an echo of so many bytes come back? `whole`: in one piece; otherwise it may come in fragments."""
    payload = str(size - IP_HEADER[version] - ICMP_HEADER)
    done = await source.run(ping(target, version, "-c", "1", "-s", payload, "-M", "do" if whole else "dont"))
    return done.code == 0


async def transfer(source: Host, target: Host, version: int, amount: str) -> tuple[dict[str, float], dict[str, float]]:
    """What the sender and the receiver report."""
    program = [sys.executable, "-I", transfer_program.__file__]
    async with listening(target, [*program, "receive", address_of(target, version)], '"port"') as (first, rest):
        port = json.loads(first)["port"]
        done = (await source.run([*program, "send", address_of(target, version), str(port), amount])).must_work()
        received = json.loads(await rest())
    return json.loads(done.out), received


@asynccontextmanager
async def listening(host: Host, words: list[str], sign: str) -> AsyncIterator[tuple[str, Callable[[], Awaitable[bytes]]]]:
    """A program that runs meanwhile. Gives the line with `sign`, once it has printed that, and a way to read the rest."""
    process = await asyncio.create_subprocess_exec(
        *host.enter(words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=host.environ(),
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        said = []
        while sign not in (line := (await process.stdout.readline()).decode(errors="replace")):
            said.append(line)
            if not line:
                raise LabFailure(f"`{' '.join(words)}` on {host.name}: {''.join(said).strip()}")
        yield line, process.stdout.read
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def ping(target: Host, version: int, *options: str) -> list[str]:
    """The command line of ping(8), by name in a network of members."""
    return ["ping", f"-{version}", "-n", "-W", "2", *options, target.overlay_name or address_of(target, version)]


def bound(address: str) -> socket.socket:
    """A datagram socket at an address of the host."""
    return _bind(socket.socket(_family(address), socket.SOCK_DGRAM), address)


def bound_to_any(address: str) -> socket.socket:
    """A datagram socket at an address that need not be the host's."""
    family = _family(address)
    opened = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        opened.setsockopt(socket.IPPROTO_IPV6, IPV6_TRANSPARENT, 1)
    else:
        opened.setsockopt(socket.SOL_IP, socket.IP_TRANSPARENT, 1)
    return _bind(opened, address)


def _bind(opened: socket.socket, address: str) -> socket.socket:
    opened.bind((address, 0))
    return opened


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def stranger(host: Host, version: int) -> str:
    """An address within the prefix of the overlay that no host has. Neither routes nor reverse-path filters reject it."""
    network = next(address.network for address in host.addresses if address.version == version)
    return str(network[min(network.num_addresses - 2, 250)])


def address_of(host: Host, version: int) -> str:
    """The host's overlay address of a family that it has."""
    address = host.address(version)
    assert address is not None, "questions() asks only where both ends have the family"
    return address


def megabits(count: float, seconds: float) -> float:
    """Bytes and seconds, as Mbit/s."""
    return round(count * 8 / seconds / 1e6, 1) if seconds else 0.0
