"""Kill -9 at random moments under traffic: packets flow again within five seconds, or the host is as before. Nothing leaks.

The short form, which shares its cores, judges no time.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from rigs.labs import QUICK, heals, kill_daemon, kill_worker, pair, pinging, reaches, snapshot

from appliance.lab import processes
from appliance.lab.engine import Lab
from appliance.lab.host import Host
from appliance.lab.machines.namespaced import APPLIANCE

pytestmark = [pytest.mark.netns, pytest.mark.timeout(1800)]

HEALED_SECONDS, PATIENCE = 5.0, 60.0
RIGHT = "10.70.0.2"
NODE_PROCESSES = 2
"""Control and worker."""


@pytest.fixture
def rounds(long_form: bool) -> range:
    return range(50 if long_form else 3)


@pytest.fixture
def healed(long_form: bool) -> float:
    """Seconds that healing may take."""
    return HEALED_SECONDS if long_form else PATIENCE


@pytest.fixture
def dice() -> random.Random:
    return random.Random(20261121)


@asynccontextmanager
async def living() -> AsyncIterator[Lab]:
    """Two nodes with a session. At the end they stop in order, and both hosts are as they were before."""
    lab = Lab(pair(both=QUICK), start=False)
    async with lab:
        before = {name: await snapshot(host) for name, host in lab.hosts.items()}
        lab.start()
        await lab.wait_for_sessions()
        yield lab
        await ends_clean(lab, before)
    assert lab.left_behind == []


async def test_a_killed_daemon(rounds: range, dice: random.Random, healed: float) -> None:
    """Restarted at once, as systemd does."""
    async with living() as lab:
        async with pinging(lab.host("right"), "10.70.0.1"):
            for _ in rounds:
                await traffic(lab.host("left"), dice)
                victim = lab.host(dice.choice(["left", "right"]))
                kill_daemon(victim)
                victim.start()
                await heals(lab, lab.host("left"), RIGHT, seconds=healed)
                if dice.random() < 0.7:  # else the next kill may strike while the node is still starting
                    await lab.wait_for_sessions(healed)
        await lab.wait_for_sessions(healed)


async def test_a_killed_worker(rounds: range, dice: random.Random, healed: float) -> None:
    """Restarted by its daemon; the host's network is not touched."""
    async with living() as lab:
        addresses = await given(lab.host("left"))
        async with pinging(lab.host("right"), "10.70.0.1"):
            for _ in rounds:
                await traffic(lab.host("left"), dice)
                assert kill_worker(lab.host(dice.choice(["left", "right"])))
                await heals(lab, lab.host("left"), RIGHT, seconds=healed)
        assert await given(lab.host("left")) == addresses


async def test_a_killed_apply_is_undone(rounds: range, dice: random.Random) -> None:
    """On a host without a daemon `appliance rollback` restores it, wherever the kill struck."""
    lab = Lab(pair(left={"network": {"masquerade": ["10.70.0.0/24"], "routes": [{"to": "10.99.0.0/24"}]}}), start=False)
    async with lab:
        left = lab.host("left")
        before = await snapshot(left)
        whole = await lasts(left, left.profile)
        (await left.appliance("rollback")).must_work()
        assert await snapshot(left) == before
        async with pinging(left, "192.168.70.2"):
            for _ in rounds:
                await killed_apply(left, left.profile, dice.uniform(0.3, 1.0) * whole)
                (await left.appliance("rollback")).must_work()
                assert await snapshot(left) == before
                assert not journals(left)
    assert lab.left_behind == []


async def test_a_killed_apply_beside_a_daemon(rounds: range, dice: random.Random, healed: float) -> None:
    """The daemon does what was asked or does not; traffic goes on."""
    async with living() as lab:
        left = lab.host("left")
        text = left.profile.read_text()
        changed = text.replace("mtu: 1400", 'mtu: 1300, routes: [{to: "10.99.0.0/24"}]')
        whole = await lasts(left, left.profile)
        async with pinging(left, RIGHT):
            for number in rounds:
                left.profile.write_text(text if number % 2 else changed)
                await killed_apply(left, left.profile, dice.uniform(0.3, 1.0) * whole)
                await heals(lab, left, RIGHT, seconds=healed)
        (await left.appliance("apply", left.profile)).must_work()


async def given(host: Host) -> list[str]:
    """Its addresses, but for those that the kernel makes in its own time."""
    return [line for line in (await host.run(["ip", "-o", "addr"])).out.splitlines() if " fe80:" not in line]


async def traffic(host: Host, dice: random.Random) -> None:
    """Packets for a random while, so that the kill that follows comes at a random moment."""
    await host.run(["ping", "-n", "-q", "-i", "0.005", "-W", "1", "-c", str(dice.randint(1, 120)), RIGHT])
    assert await reaches(host, RIGHT)


async def lasts(host: Host, profile: Path) -> float:
    """Seconds that `appliance apply` takes when nobody disturbs it."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    (await host.appliance("apply", profile)).must_work()
    return loop.time() - begun


async def killed_apply(host: Host, profile: Path, seconds: float) -> None:
    process = await asyncio.create_subprocess_exec(
        *host.namespace.enter([*APPLIANCE, "apply", profile]),
        env=host.environ(),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await asyncio.wait_for(process.wait(), seconds)
    except TimeoutError:
        with suppress(ProcessLookupError):  # it ended at that moment
            process.kill()
        await process.wait()


async def ends_clean(lab: Lab, before: dict[str, object]) -> None:
    """One node a host until now; then each stops, and its host is as it was."""
    for name, host in lab.hosts.items():
        await there_is_one_node(lab, host)
        assert await host.stop() == 0, host.log_tail()
        assert await snapshot(host) == before[name]
        assert not journals(host)


async def there_is_one_node(lab: Lab, host: Host) -> None:
    """A third process of it, which looks at the host when that has changed, comes and goes."""
    try:
        await lab.until(lambda: len(inhabitants(host)) == NODE_PROCESSES, 60)
    except TimeoutError:
        raise AssertionError(f"{host.name}: {inhabitants(host)}") from None


def inhabitants(host: Host) -> list[int]:
    """The processes in its namespace."""
    inode = host.namespace.path.stat().st_ino
    return processes.find(lambda entry: (entry / "ns/net").stat().st_ino == inode)


def journals(host: Host) -> list[str]:
    """What the state directory holds besides the lock."""
    return sorted(path.name for path in host.state_dir.rglob("*") if path.is_file() and path.name != "lock")
