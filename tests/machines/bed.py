"""What scenarios happen to: two machines with a node each, `left` that listens and `right` that calls it."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from appliance.lab.definition import LabFile
from appliance.lab.engine import Lab
from appliance.lab.guest_rig import Guests
from appliance.lab.host import Host
from appliance.lab.machines.guest import GuestMachine
from appliance.lab.machines.machine import LabFailure
from appliance.lab.packages import Packages
from appliance.lab.tools import echoes

MOST_LOST = 20.0
"""Per cent of echoes."""
ECHO_SECONDS = 20
"""So long the last echo is waited for."""
ANSWER_SECONDS = 120.0
"""So long a node may take to answer."""
PROFILE = Path("/etc/appliance/profile.yaml")
MTU = 1400
CARDS = {"left": "virtio-net-pci,csum=off", "right": "e1000"}
"""virtio as it is without tx checksum offload; e1000 has it."""
READY = "appliance status --json | grep -q '\"ready\": true'"
SESSION = """appliance status --json | grep -A1 '"state": "active"' | grep -q '"suite"'"""
PAIR: dict[str, Any] = {
    "lab": 1,
    "name": "machines",
    "links": [{"name": "wan", "hosts": ["left", "right"], "ipv4": "192.0.2.0/24", "ipv6": "2001:db8::/64"}],
    "hosts": {
        "left": {
            "addresses": ["10.8.0.1/24", "fd00:8::1/64"],
            "listen": ["udp://0.0.0.0:8443"],
            "mtu": MTU,
            "peers": {"right": {}},
        },
        "right": {
            "addresses": ["10.8.0.2/24", "fd00:8::2/64"],
            "mtu": MTU,
            "peers": {"left": {"endpoints": ["udp://left:8443"]}},
        },
    },
}


class Wrong(Exception):
    """Something is not as it should be; the sentence says what."""


class Guest:
    """One of the two: what an admin does to it. Scripts are the shell's, as root; each call may take seconds."""

    def __init__(self, host: Host) -> None:
        assert isinstance(host.machine, GuestMachine)
        self.host = host
        self.machine = host.machine
        self.name = host.name

    async def sh(self, script: str, *, check: bool = True, seconds: float = 400.0) -> str:
        """What a script prints, with its complaints if it may fail. Raises Wrong when it fails and may not."""
        done = await self.host.run(["sh", "-c", script], timeout=seconds)
        if check and done.code:
            raise Wrong(f"{self.name}: {script!r} ended with {done.code}: {done.out}{done.err}")
        return done.out + ("" if check else done.err)

    async def code(self, script: str, *, seconds: float = 400.0) -> int:
        """Its exit code."""
        return (await self.host.run(["sh", "-c", script], timeout=seconds)).code

    async def until(self, script: str, seconds: float = 400.0) -> float:
        """Wait until a script succeeds. Returns the seconds that took; raises Wrong."""
        begun = time.monotonic()
        while await self.code(script):
            if time.monotonic() - begun > seconds:
                raise Wrong(f"{self.name}: not within {seconds:g} s: {script}")
            await asyncio.sleep(0.3)
        return time.monotonic() - begun

    async def write(self, path: str | Path, text: str, mode: int = 0o644) -> None:
        """A file, durably."""
        await asyncio.to_thread(self.machine.put, Path(path), text.encode(), mode)

    async def ask(self, operation: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Its node over its control socket, as the command does that is called so: that takes seconds to start there."""
        return await asyncio.to_thread(self.host.ask, operation, arguments, timeout=ANSWER_SECONDS)

    async def sessions(self) -> list[dict[str, Any]]:
        """Those of its node."""
        found: list[dict[str, Any]] = (await self.ask("status"))["sessions"]
        return found

    async def status(self) -> dict[str, Any]:
        """What its node says of itself."""
        found: dict[str, Any] = json.loads(await self.sh("appliance status --json || true"))
        return found

    async def boot_again(self, *, expect_node: bool = True) -> None:
        """Lose power, and come up again, with the node as systemd starts it."""
        await asyncio.to_thread(self.machine.cut_power)
        await asyncio.to_thread(self.machine.power_on)
        if expect_node:
            await self.until(READY)

    async def mtu(self) -> int:
        """Of the overlay's interface."""
        return int(await self.sh("cat /sys/class/net/llp0/mtu"))

    async def pid(self) -> int:
        """Of the service's main process; 0 when it does not run."""
        return int(await self.sh("systemctl show -p MainPID --value appliance"))


class Bed:
    """Two guests of one Debian, whose nodes have a session."""

    def __init__(
        self,
        suite: str = "bookworm",
        arch: str = "amd64",
        *,
        extras: tuple[str, ...] = (),
        start: bool = True,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`say` is told what takes long. Raises LabFailure where there is no package."""
        self._say = say
        packages = Packages()
        self.suite, self.package = suite, packages.find(suite, arch)
        self._rig = Guests(packages, suite, arch, extras=extras, cards=CARDS)
        self.lab = Lab(LabFile.model_validate(PAIR), start=start, rig=self._rig)

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._rig.prepare, self.lab.definition, self._say)
        await self.lab.__aenter__()
        self.left, self.right = Guest(self.lab.host("left")), Guest(self.lab.host("right"))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.lab.__aexit__(kind, error, trace)

    @property
    def both(self) -> tuple[Guest, Guest]:
        """In order."""
        return self.left, self.right

    def profile(self, guest: Guest, *, mtu: int = MTU, more: str = "") -> str:
        """The text of a guest's profile, with another MTU and more lines at its end."""
        return self.lab.profile_text(guest.name).replace(f"mtu: {MTU}", f"mtu: {mtu}") + more

    async def write_profile(self, guest: Guest, *, mtu: int = MTU, more: str = "") -> None:
        """To where the service reads it."""
        await guest.write(PROFILE, self.profile(guest, mtu=mtu, more=more), 0o600)

    async def loss(self, count: int = 20, interval: float = 0.2) -> str:
        """Ping both ways, both kinds of address. Says the loss in per cent, each; raises Wrong when more is lost than at most one
        in five, as right after a new session."""
        told = []
        for guest, other in ((self.left, 2), (self.right, 1)):
            for address in (f"10.8.0.{other}", f"fd00:8::{other}"):
                options = f"-n -c {count} -i {interval} -w {math.ceil(count * interval) + ECHO_SECONDS}"
                answer = await guest.sh(f"ping {options} {address}", check=False)
                lost = 100.0 * (1.0 - len(echoes(answer, count)) / count)
                if lost > MOST_LOST:
                    raise Wrong(f"{guest.name}: too little comes back from {address}: {answer}")
                told.append(f"{lost:g}%")
        return f"lost {', '.join(told)}"

    async def as_before(self) -> None:
        """Both nodes run their first profile again, and have a session: what the next scenario begins with. Raises Wrong."""
        for guest in self.both:
            if not guest.machine.guest.running:
                await asyncio.to_thread(guest.machine.power_on)
            await self.write_profile(guest)
            await guest.sh(
                "appliance confirm --refused; systemctl reset-failed appliance; systemctl enable -q appliance; "
                "systemctl restart appliance",
                check=False,
            )
        for guest in self.both:
            await guest.until(SESSION)


def expect(true: bool, sentence: str) -> None:
    """Raise Wrong with the sentence unless it is true."""
    if not true:
        raise Wrong(sentence)


FAILURES = (Wrong, LabFailure, ValueError, KeyError, IndexError)
"""What a scenario that does not end as it should raises."""
