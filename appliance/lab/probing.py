"""The probes. Each asks one question about the overlay between two hosts; its answer is a result, never an exception."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from appliance.errors import ApplianceError
from appliance.foundation import clock
from appliance.lab import knowledge_probe, path_probe, tools
from appliance.lab.definition import LabFile
from appliance.lab.engine import Lab
from appliance.lab.host import Host
from appliance.lab.script import EVERYBODY, ProbeEntry

LEAST_MTU: Final = {4: 576, 6: 1280}
"""What every host must take (RFC 791, section 3.1; RFC 8200, section 5)."""
PROBE_SECONDS: Final = 90.0
"""The most a probe may take, besides the time that it is meant to last."""
ECHO_INTERVAL: Final = 0.05
"""Seconds between two echoes of a ping."""
ECHO_SECONDS: Final = 10.0
"""How long a ping waits for the last of them."""
ASK_AGAIN_EVERY: Final = 0.1
"""Seconds between a failed attempt and the next one."""


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


class Asked(NamedTuple):
    """One probe of the file, in one direction and over one IP version."""

    name: str
    source: str
    target: str
    version: int
    entry: ProbeEntry


@dataclass(frozen=True, slots=True)
class Scene:
    """Where a question is asked."""

    lab: Lab
    source: Host
    target: Host
    version: int
    """4 or 6: over which IP."""


Question = Callable[[Scene, ProbeEntry], Awaitable[Answer]]


def questions(lab: LabFile, only: str | None = None) -> list[Asked]:
    """All that the probes of a file ask, in its order. `only`: the kind or the name of the probes to take; None: all."""
    asked = [each for entry in lab.probes for each in asked_by(lab, entry)]
    return [each for each in asked if only is None or only in (each.entry.probe, each.name)]


def asked_by(lab: LabFile, entry: ProbeEntry) -> list[Asked]:
    """All that one probe asks: in each direction, over each IP version that both hosts have."""
    return [
        Asked(_name(entry, version), source, target, version, entry)
        for (source, target), version in itertools.product(entry.directions, (4, 6))
        if all(version in _versions(lab, name) for name in (source, target) if name != EVERYBODY)
    ]


def _versions(lab: LabFile, host: str) -> set[int]:
    """The IP versions that a host is asked over. Members have both; IPv4 says enough of them."""
    return {4} if lab.mesh is not None else {address.version for address in lab.hosts[host].addresses}


def _name(entry: ProbeEntry, version: int) -> str:
    if entry.probe == "topic":  # it goes over sessions, not over IP
        return f"{'no-' if entry.fails else ''}topic"
    size = f"-{_binary(entry.size)}" if entry.probe == "transfer" else ""
    return f"{'no-' if entry.fails else ''}{entry.probe}{size}-v{version}"


def _binary(size: int) -> str:
    for factor, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size % factor == 0:
            return f"{size // factor}{unit}"
    return f"{size}B"


async def ask(lab: Lab, asked: Asked) -> Result:
    """Run one probe, again and again if it may take its time. Whatever goes wrong is a result that is not ok."""
    begun, within = clock.monotonic(), asked.entry.within
    while True:
        answer = await _asked_once(lab, asked)
        took = clock.monotonic() - begun
        if within is None or asked.entry.probe == "topic":
            return Result(asked.name, asked.source, asked.target, *answer)
        if answer.ok:
            in_time = took <= within
            detail = answer.detail if in_time else f"too late: {answer.detail}"
            value, unit = (answer.value, answer.unit) if asked.entry.probe == "path" else (round(took, 2), "s")
            return Result(asked.name, asked.source, asked.target, in_time, value, unit, detail)
        if took > within:
            return Result(asked.name, asked.source, asked.target, *answer)
        await asyncio.sleep(ASK_AGAIN_EVERY)


async def _asked_once(lab: Lab, asked: Asked) -> Answer:
    target = lab.host(asked.source if asked.target == EVERYBODY else asked.target)
    scene = Scene(lab, lab.host(asked.source), target, asked.version)
    try:
        async with asyncio.timeout(lab.slowness * (PROBE_SECONDS + asked.entry.seconds + (asked.entry.within or 0.0))):
            answer = await QUESTIONS[asked.entry.probe](scene, asked.entry)
    except TimeoutError:
        answer = Answer(ok=False, value=None, unit="", detail="did not end in time")
    except (ApplianceError, OSError) as error:
        answer = Answer(ok=False, value=None, unit="", detail=str(error))
    return answer._replace(ok=not answer.ok) if asked.entry.fails else answer


# --- the questions ----------------------------------------------------------------------------------------------------------


async def ping(scene: Scene, entry: ProbeEntry) -> Answer:
    """Does every echo come back, but for those that may be lost? The value is the median round trip."""
    these = (ECHO_INTERVAL * entry.count + ECHO_SECONDS, entry.count)
    seconds, last = these if entry.within is None or entry.fails else (entry.within, sys.maxsize)  # then any will do
    options = ["-c", str(entry.count), "-i", f"{ECHO_INTERVAL:g}", "-w", str(math.ceil(seconds))]  # -w takes whole seconds
    done = await scene.source.run(tools.ping(scene.target, scene.version, *options), timeout=PROBE_SECONDS + seconds)
    times = sorted(tools.echoes(done.out, last).values())
    median = times[len(times) // 2] if times else None
    enough = len(times) >= math.ceil(entry.count * (1.0 - entry.lost))
    return Answer(bool(times) and enough, median, "ms", f"{min(len(times), entry.count)} of {entry.count} came back")


async def transfer_checked(scene: Scene, entry: ProbeEntry) -> Answer:
    """Do so many bytes arrive as they were sent? The value is the speed."""
    sent, received = await tools.transfer(scene.source, scene.target, scene.version, str(entry.size))
    same = sent["sha256"] == sent["told"] == received["sha256"]
    ok = same and received["bytes"] == entry.size
    detail = f"SHA-256 {str(sent['sha256'])[:16]}… on both ends" if ok else "what arrived is not what was sent"
    return Answer(ok, tools.megabits(sent["bytes"], sent["seconds"]), "Mbit/s", detail)


async def throughput(scene: Scene, entry: ProbeEntry) -> Answer:
    """How fast is one TCP flow? Measured by iperf3 if it is installed."""
    machine = scene.target.machine
    if all(host.machine.has("iperf3") for host in (scene.source, scene.target)):
        async with machine.spawn(["iperf3", "-s", "-1", "--forceflush", "-p", "5201"], "Server listening"):
            words = [
                "iperf3",
                "-c",
                tools.address_of(scene.target, scene.version),
                "-p",
                "5201",
                "-t",
                str(math.ceil(entry.seconds)),
                "-J",
            ]
            done = (await scene.source.run(words, timeout=entry.seconds + scene.lab.slowness * PROBE_SECONDS)).must_work()
            bits = json.loads(done.out)["end"]["sum_received"]["bits_per_second"]
        return Answer(bits > 0, round(bits / 1e6, 1), "Mbit/s", "one TCP flow, iperf3")
    sent, _ = await tools.transfer(scene.source, scene.target, scene.version, f"{entry.seconds:g}s")
    return Answer(sent["sha256"] == sent["told"], tools.megabits(sent["bytes"], sent["seconds"]), "Mbit/s", "one TCP flow")


async def mtu(scene: Scene, _entry: ProbeEntry) -> Answer:
    """Does each size up to the MTU pass in one piece, is one byte more refused, and do fragments pass?"""
    least, largest = LEAST_MTU[scene.version], scene.source.entry.mtu
    sizes = [size for size in sorted({least, 1000, 1280, 1400, largest - 1, largest}) if least <= size <= largest]
    wrong = [size for size in sizes if not await tools.passes(scene.source, scene.target, scene.version, size)]
    if await tools.passes(scene.source, scene.target, scene.version, largest + 1):
        wrong.append(largest + 1)
    if not await tools.passes(scene.source, scene.target, scene.version, 3 * largest, whole=False):
        wrong.append(3 * largest)
    detail = (
        f"wrong at {', '.join(map(str, wrong))} bytes" if wrong else f"{least} to {largest} whole, {3 * largest} in fragments"
    )
    return Answer(not wrong, largest, "bytes", detail)


async def isolation(scene: Scene, _entry: ProbeEntry) -> Answer:
    """Is a packet dropped if its source is not among the sender's allowed prefixes, while an honest one arrives?"""
    forged, honest = tools.stranger(scene.source, scene.version), tools.address_of(scene.source, scene.version)
    first = await tools.first_heard(scene.source, scene.target, scene.version, {forged: "forged", honest: "honest"})
    return Answer(first == "honest", None, "", f"{forged} was {'dropped' if first == 'honest' else 'let through'}")


async def hops(scene: Scene, entry: ProbeEntry) -> Answer:
    """Does a packet arrive with just enough hops left, and not with one hop less?"""
    enough = await scene.source.run(tools.ping(scene.target, scene.version, "-c", "1", "-t", str(entry.hops)))
    short = (
        await scene.source.run(tools.ping(scene.target, scene.version, "-c", "1", "-t", str(entry.hops - 1)))
        if entry.hops > 1
        else None
    )
    ok = enough.code == 0 and (short is None or short.code != 0)
    return Answer(ok, entry.hops, "hops", "one less is not enough" if ok else "the hop limit is not honoured")


async def plugins(scene: Scene, _entry: ProbeEntry) -> Answer:
    """Is every plugin of the first host's node well, after all that went before?"""
    troubles = scene.source.troubles()
    return Answer(not troubles, None, "", "; ".join(troubles) or "all well")


async def path(scene: Scene, entry: ProbeEntry) -> Answer:
    """Which path carries the packets, do both ends say the same, and do the wires?"""
    met_after = None
    if entry.within is not None:
        begun = clock.monotonic()
        options = ("-c", "1", "-i", "0.05", "-w", str(math.ceil(entry.within)))
        await scene.source.run(tools.ping(scene.target, scene.version, *options), timeout=PROBE_SECONDS + entry.within)
        met_after = round(clock.monotonic() - begun, 2)
    seen = (await path_probe.look(scene.lab, scene.source, scene.target, scene.version))._replace(met_after=met_after)
    trouble = seen.trouble(path_probe.wanted(scene.lab, scene.source, scene.target, entry.via), kept=entry.kept, over=entry.over)
    return Answer(not trouble, seen.took, "s" if seen.took is not None else "", trouble or seen.text)


async def topic(scene: Scene, entry: ProbeEntry) -> Answer:
    """Does each message reach all hosts whose nodes run, and in time? The value is how long the slowest took."""
    running = [host for host in scene.lab.hosts.values() if host.runs]
    if await scene.lab.readers.read_on(running):
        await asyncio.sleep(entry.seconds)
    spread = await scene.lab.readers.spread(scene.source, entry.count)
    detail = f"{entry.count} messages, {spread.readers} readers: {spread.came} of {spread.expected} came"
    if spread.without:
        detail += f", not to {', '.join(spread.without)}"
    in_time = entry.within is None or spread.slowest <= entry.within
    return Answer(spread.came == spread.expected and in_time, round(spread.slowest, 3), "s", detail)


async def record(scene: Scene, entry: ProbeEntry) -> Answer:
    """Does the target find in the hash table what the source put there? The value is the median of the look-ups."""
    keys = [f"{scene.source.name}-{number}" for number in range(entry.count)]
    if not entry.kept:
        for key in keys:
            knowledge_probe.put(scene.source, key)
    found = [knowledge_probe.look_up(scene.target, key, scene.source.identity) for key in keys]
    times = sorted(1000 * seconds for seconds in found if seconds is not None)
    said = f"{len(times)} of {entry.count} found"
    if not times:
        return Answer(ok=False, value=None, unit="", detail=said)
    p50, p99 = (round(knowledge_probe.percentile(times, share), 2) for share in (0.5, 0.99))
    return Answer(len(times) == entry.count, p50, "ms", f"{said}; p50 {p50:g} ms, p99 {p99:g} ms")


async def identity(scene: Scene, _entry: ProbeEntry) -> Answer:
    """Does the source, which knows the target's identity only, find it by the hash table, and reach it?"""
    places = knowledge_probe.places(scene.source, scene.target.name)
    if not places:
        return Answer(ok=False, value=None, unit="", detail="the hash table has not said where it is")
    done = await scene.source.run(tools.ping(scene.target, scene.version, "-c", "1"), timeout=PROBE_SECONDS)
    return Answer(done.code == 0, None, "", f"found at {', '.join(places)}")


QUESTIONS: Final[dict[str, Question]] = {
    "ping": ping,
    "transfer": transfer_checked,
    "throughput": throughput,
    "mtu": mtu,
    "isolation": isolation,
    "hops": hops,
    "plugins": plugins,
    "path": path,
    "topic": topic,
    "record": record,
    "identity": identity,
}
