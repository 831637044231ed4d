"""What the probes use: programs and sockets on the hosts of a lab."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from appliance.lab import datagrams
from appliance.lab import transfer as transfer_program
from appliance.lab.host import Host

IP_HEADER: Final = {4: 20, 6: 40}
ICMP_HEADER: Final = 8


async def passes(source: Host, target: Host, version: int, size: int, *, whole: bool = True) -> bool:
    """Does an echo of so many bytes come back? `whole`: in one piece; otherwise it may come in fragments."""
    payload = str(size - IP_HEADER[version] - ICMP_HEADER)
    done = await source.run(ping(target, version, "-c", "1", "-s", payload, "-M", "do" if whole else "dont"))
    return done.code == 0


async def transfer(source: Host, target: Host, version: int, amount: str) -> tuple[dict[str, float], dict[str, float]]:
    """What the sender and the receiver report."""
    there, here = (host.machine.program(Path(transfer_program.__file__)) for host in (target, source))
    async with target.machine.spawn([*there, "receive", address_of(target, version)], '"port"') as (first, rest):
        port = json.loads(first)["port"]
        done = (await source.run([*here, "send", address_of(target, version), str(port), amount])).must_work()
        received = json.loads(await rest())
    return json.loads(done.out), received


async def first_heard(source: Host, target: Host, version: int, texts: Mapping[str, str]) -> str:
    """Send datagrams from `source`, each with a source address and a text, and return the text that arrives first."""
    there, here = (host.machine.program(Path(datagrams.__file__)) for host in (target, source))
    to = address_of(target, version)
    async with target.machine.spawn([*there, "receive", to], '"port"') as (first, rest):
        port = json.loads(first)["port"]
        for address, text in texts.items():
            (await source.run([*here, "send", address, to, str(port), text])).must_work()
        return str(json.loads(await rest())["text"])


def ping(target: Host, version: int, *options: str) -> list[str]:
    """The command line of ping(8), by name in a network of members."""
    return ["ping", f"-{version}", "-n", "-W", "2", *options, target.overlay_name or address_of(target, version)]


def echoes(said: str, count: int) -> dict[int, float]:
    """Of what ping(8) printed: the round trips of its first `count` echoes that came back, by number, in ms.

    To be asked with `-w`: ping then waits for as many answers as it was to send questions, and sends more meanwhile. Without,
    it leaves after an interval or two round trips, and what one slow moment of a host held up seems to be lost.
    """
    found = re.findall(r"icmp_seq=(\d+) .*time=([\d.]+)", said)
    return {int(number): float(took) for number, took in reversed(found) if int(number) <= count}


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
