"""The probes. Each asks one question about the overlay between two hosts; its answer is a result, never an exception."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import re
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from appliance.errors import ApplianceError
from appliance.lab import tools
from appliance.lab.definition import LabFile, ProbeEntry
from appliance.lab.engine import Lab
from appliance.lab.host import Host

LEAST_MTU: Final = {4: 576, 6: 1280}
"""What every host must take (RFC 791, section 3.1; RFC 8200, section 5)."""
PROBE_SECONDS: Final = 90.0
"""The most a probe may take, besides the time that it is meant to last."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came out of one probe in one direction."""

    name: str
    source: str
    target: str
    ok: bool
    value: float | int | None = None
    """In `unit`; None if the probe has no value."""
    unit: str = ""
    detail: str = ""
    """For people."""

    def document(self) -> dict[str, object]:
        """The JSON form."""
        return {
            "name": self.name,
            "from": self.source,
            "to": self.target,
            "ok": self.ok,
            "value": self.value,
            "unit": self.unit,
            "detail": self.detail,
        }


class Answer(NamedTuple):
    """What came out of a question, before it has a name."""

    ok: bool
    value: float | int | None
    unit: str
    detail: str = ""


Question = Callable[[Host, Host, int, ProbeEntry], Awaitable[Answer]]
"""What a probe asks: from one host to another, over IPv4 or IPv6."""


class Asked(NamedTuple):
    """One probe of the file, in one direction and over one IP version."""

    name: str
    source: str
    target: str
    version: int
    entry: ProbeEntry


def questions(lab: LabFile, only: str | None = None) -> list[Asked]:
    """All that a file asks, in its order. `only`: the kind or the name of the probes to take; None: all."""
    asked = []
    for entry in lab.probes:
        for (source, target), version in itertools.product(entry.directions, (4, 6)):
            if all(any(a.version == version for a in lab.hosts[name].addresses) for name in (source, target)):
                asked.append(Asked(_name(entry, version), source, target, version, entry))
    return [each for each in asked if only is None or only in (each.entry.probe, each.name)]


def _name(entry: ProbeEntry, version: int) -> str:
    size = f"-{_binary(entry.size)}" if entry.probe == "transfer" else ""
    return f"{entry.probe}{size}-v{version}"


def _binary(size: int) -> str:
    for factor, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size % factor == 0:
            return f"{size // factor}{unit}"
    return f"{size}B"


async def ask(lab: Lab, asked: Asked) -> Result:
    """Run one probe. Whatever goes wrong is a result that is not ok."""
    try:
        async with asyncio.timeout(PROBE_SECONDS + asked.entry.seconds):
            answer = await QUESTIONS[asked.entry.probe](
                lab.host(asked.source), lab.host(asked.target), asked.version, asked.entry
            )
    except TimeoutError:
        answer = Answer(ok=False, value=None, unit="", detail="did not end in time")
    except (ApplianceError, OSError) as error:
        answer = Answer(ok=False, value=None, unit="", detail=str(error))
    return Result(asked.name, asked.source, asked.target, *answer)


# --- the questions ----------------------------------------------------------------------------------------------------------


async def ping(source: Host, target: Host, version: int, entry: ProbeEntry) -> Answer:
    """Does every echo come back? The value is the median round trip."""
    done = await source.run(tools.ping(target, version, "-c", str(entry.count), "-i", "0.05"))
    times = sorted(float(found) for found in re.findall(r"time=([\d.]+)", done.out))
    median = times[len(times) // 2] if times else None
    return Answer(done.code == 0 and len(times) == entry.count, median, "ms", f"{len(times)} of {entry.count} came back")


async def transfer_checked(source: Host, target: Host, version: int, entry: ProbeEntry) -> Answer:
    """Do so many bytes arrive as they were sent? The value is the speed."""
    sent, received = await tools.transfer(source, target, version, str(entry.size))
    same = sent["sha256"] == sent["told"] == received["sha256"]
    ok = same and received["bytes"] == entry.size
    detail = f"SHA-256 {str(sent['sha256'])[:16]}… on both ends" if ok else "what arrived is not what was sent"
    return Answer(ok, tools.megabits(sent["bytes"], sent["seconds"]), "Mbit/s", detail)


async def throughput(source: Host, target: Host, version: int, entry: ProbeEntry) -> Answer:
    """How fast is one TCP flow? Measured by iperf3 if it is installed."""
    if shutil.which("iperf3"):
        async with tools.listening(target, ["iperf3", "-s", "-1", "--forceflush", "-p", "5201"], "Server listening"):
            words = ["iperf3", "-c", tools.address_of(target, version), "-p", "5201", "-t", str(math.ceil(entry.seconds)), "-J"]
            done = (await source.run(words, timeout=entry.seconds + PROBE_SECONDS)).must_work()
            bits = json.loads(done.out)["end"]["sum_received"]["bits_per_second"]
        return Answer(bits > 0, round(bits / 1e6, 1), "Mbit/s", "one TCP flow, iperf3")
    sent, _ = await tools.transfer(source, target, version, f"{entry.seconds:g}s")
    return Answer(sent["sha256"] == sent["told"], tools.megabits(sent["bytes"], sent["seconds"]), "Mbit/s", "one TCP flow")


async def mtu(source: Host, target: Host, version: int, _entry: ProbeEntry) -> Answer:
    """Does each size up to the MTU pass in one piece, is one byte more refused, and do fragments pass?"""
    least, largest = LEAST_MTU[version], source.entry.mtu
    sizes = [size for size in sorted({least, 1000, 1280, 1400, largest - 1, largest}) if least <= size <= largest]
    wrong = [size for size in sizes if not await tools.passes(source, target, version, size)]
    if await tools.passes(source, target, version, largest + 1):
        wrong.append(largest + 1)
    if not await tools.passes(source, target, version, 3 * largest, whole=False):
        wrong.append(3 * largest)
    detail = (
        f"wrong at {', '.join(map(str, wrong))} bytes" if wrong else f"{least} to {largest} whole, {3 * largest} in fragments"
    )
    return Answer(not wrong, largest, "bytes", detail)


async def isolation(source: Host, target: Host, version: int, _entry: ProbeEntry) -> Answer:
    """Is a packet dropped if its source is not among the sender's allowed prefixes, while an honest one arrives?"""
    forged = tools.stranger(source, version)
    with target.namespace.call(tools.bound, tools.address_of(target, version)) as listener:
        listener.settimeout(5.0)
        for address, text in ((forged, b"forged"), (tools.address_of(source, version), b"honest")):
            with source.namespace.call(tools.bound_to_any, address) as sender:
                sender.sendto(text, listener.getsockname()[:2])
        first = await asyncio.to_thread(listener.recv, 64)
    return Answer(first == b"honest", None, "", f"{forged} was {'dropped' if first == b'honest' else 'let through'}")


async def hops(source: Host, target: Host, version: int, entry: ProbeEntry) -> Answer:
    """Does a packet arrive with just enough hops left, and not with one hop less?"""
    enough = await source.run(tools.ping(target, version, "-c", "1", "-t", str(entry.hops)))
    short = await source.run(tools.ping(target, version, "-c", "1", "-t", str(entry.hops - 1))) if entry.hops > 1 else None
    ok = enough.code == 0 and (short is None or short.code != 0)
    return Answer(ok, entry.hops, "hops", "one less is not enough" if ok else "the hop limit is not honoured")


async def plugins(source: Host, _target: Host, _version: int, _entry: ProbeEntry) -> Answer:
    """Is every plugin of the first host's node well, after all that went before?"""
    troubles = source.troubles()
    return Answer(not troubles, None, "", "; ".join(troubles) or "all well")


QUESTIONS: Final[dict[str, Question]] = {
    "ping": ping,
    "transfer": transfer_checked,
    "throughput": throughput,
    "mtu": mtu,
    "isolation": isolation,
    "hops": hops,
    "plugins": plugins,
}
