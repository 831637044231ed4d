"""An overlay under chaos is there for 999 of 1,000 probes: killed workers and daemons, a wire cut, reloads, keys that rotate.

The long form does the faults of an hour, one each two minutes of it, within `--soak-seconds`, and prints what each kind cost;
with 3600 it is the hour itself. The short form does each kind once, and asks only that every one heals and that a reload costs
nothing.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from itertools import cycle, islice

import pytest
from rigs.availability import EVERY_SECONDS, Probes, probing
from rigs.labs import QUICK, kill_daemon, kill_worker, pair

from appliance.lab.engine import Lab
from appliance.lab.host import Host

pytestmark = [pytest.mark.netns, pytest.mark.timeout(8000)]

WANTED = 0.999
HOUR = 3600.0
FAULTS_AN_HOUR = 30
HEALED, PATIENCE = 5.0, 60.0
"""Seconds from the end of a fault to an answered probe, at most; in the short form, which shares its cores."""
CUT_SECONDS = 0.3
ROTATING = {"crypto": {"rotate": {"bytes": "16KiB", "after": "10s"}}}
MTUS = cycle((1300, 1400))


async def killed_worker(host: Host, probes: Probes) -> None:
    kill_worker(host)


async def killed_daemon(host: Host, probes: Probes) -> None:
    """Started again at once, as systemd does."""
    kill_daemon(host)
    host.start()


async def reload(host: Host, probes: Probes) -> None:
    host.profile.write_text(re.sub(r"mtu: \d+", f"mtu: {next(MTUS)}", host.profile.read_text()))
    (await host.appliance("apply", host.profile)).must_work()


async def cut_wire(host: Host, probes: Probes) -> None:
    begun = asyncio.get_running_loop().time()
    (await host.run(["ip", "link", "set", "wan", "down"])).must_work()
    await asyncio.sleep(CUT_SECONDS)
    (await host.run(["ip", "link", "set", "wan", "up"])).must_work()
    probes.excuse(begun, asyncio.get_running_loop().time())


Fault = Callable[[Host, Probes], Awaitable[None]]
FAULTS: tuple[Fault, ...] = (killed_worker, killed_daemon, reload, cut_wire)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_it_is_there_for_999_of_1000_probes(
    transport: str, soak_seconds: float, capsys: pytest.CaptureFixture[str]
) -> None:
    dice = random.Random(20261121)
    loop = asyncio.get_running_loop()
    done: list[tuple[float, str]] = []
    definition = pair(endpoints=(f"{transport}://right:8443",), listen=(f"{transport}://0.0.0.0:8443",), both=QUICK | ROTATING)
    async with Lab(definition) as lab:
        for host in lab.hosts.values():
            (await host.run(["sysctl", "-qw", "net.ipv6.conf.wan.keep_addr_on_down=1"])).must_work()
        async with probing(lab.host("left"), lab.host("right")) as probes:
            for fault, victim in chosen(FAULTS_AN_HOUR if soak_seconds else len(FAULTS)):
                begun = loop.time()
                done.append((begun, fault.__name__))
                await fault(lab.host(victim), probes)
                await healed(lab, probes, fault.__name__, HEALED if soak_seconds else PATIENCE)
                if soak_seconds:
                    await asyncio.sleep(begun + dice.uniform(0.9, 1.1) * soak_seconds / FAULTS_AN_HOUR - loop.time())
    assert lab.left_behind == []
    assert len(probes.counted()) > len(done)
    assert not probes_lost_by(probes, done)["reload"]
    if soak_seconds:
        with capsys.disabled():
            print(f"\n{told(transport, probes, done)}")
        assert of_an_hour(probes) >= WANTED


def chosen(count: int) -> Iterator[tuple[Fault, str]]:
    """All kinds at one end, then at the other. So the same worker does not die twice within a minute, after which a node would
    make a pause before it starts another, as it would not in the hour that is held in minutes here."""
    return islice(cycle((fault, victim) for victim in ("left", "right") for fault in FAULTS), count)


def of_an_hour(probes: Probes) -> float:
    """The part of an hour's probes that these losses leave."""
    return 1 - len(probes.lost()) / max(HOUR / EVERY_SECONDS, len(probes.counted()))


async def healed(lab: Lab, probes: Probes, what: str, seconds: float) -> None:
    """Wait until both nodes have their session, and a probe sent from now on is answered."""
    first = len(probes.sent)
    try:
        await lab.wait_for_sessions(seconds)
        await lab.until(lambda: any(number >= first for number in probes.answered), seconds)
    except TimeoutError:
        logs = "\n".join(f"--- {host.name}\n{host.log_tail(40)}" for host in lab.hosts.values())
        raise AssertionError(f"{what}: no probe came back within {seconds:g} s\n{logs}") from None


def probes_lost_by(probes: Probes, done: list[tuple[float, str]]) -> Counter[str]:
    """How many were lost after each kind of fault, until the next fault."""
    found: Counter[str] = Counter()
    for at in probes.lost():
        found[next((name for begun, name in reversed(done) if begun <= at), "nothing")] += 1
    return found


def told(transport: str, probes: Probes, done: list[tuple[float, str]]) -> str:
    times, lost = Counter(name for _, name in done), probes_lost_by(probes, done)
    rows = [f"| {name} | {times[name]} | {lost[name]} |" for name in (*times, "nothing")]
    part = f"{100 * probes.availability:.3f} % of {len(probes.counted())} probes answered in {len(done)} faults"
    head = f"{transport}: {part}; {100 * of_an_hour(probes):.3f} % of an hour's"
    return "\n".join([head, "| fault | times | probes lost |", "|---|---|---|", *rows])
