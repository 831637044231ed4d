"""Labs on hosts by SSH: the two machines, without the package, are the hosts of an ssh_config."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from tests.machines.bed import Bed, Guest, expect
from tests.machines.packages import higher

FILE: Final = """
lab: 1
name: by-ssh
links: [{name: wan, hosts: [left, right], ipv4: 192.0.2.0/24}]
hosts:
  left: {addresses: [10.70.0.1/24], listen: ["udp://0.0.0.0:8443"], peers: {right: {}}}
  right: {addresses: [10.70.0.2/24], peers: {left: {endpoints: ["udp://left:8443"]}}}
probes:
  - {probe: ping, between: [left, right]}
  - {probe: isolation, between: [left, right]}
  - {probe: transfer, from: left, to: right, size: 1MiB}
"""
HOST: Final = """
Host {name}
  HostName {address}
  User {user}
  IdentityFile {key}
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  ProxyCommand nsenter --net={namespace} {python} {splice} 2222
"""
SPLICE: Final = """
import os, select, socket, sys
try: line = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
except OSError as error: sys.exit(error.strerror)
while True:
    for source in select.select([0, line], [], [])[0]:
        piece = line.recv(65536) if source is line else os.read(0, 65536)
        if not piece: sys.exit()
        if source is line:
            while piece: piece = piece[os.write(1, piece):]
        else: line.sendall(piece)
"""
"""It ends with either side: of two cat(1) one would stay, which the lab tells of."""
UNFIT: Final = (
    (
        "prints of itself",
        "mv /root/.bashrc /root/kept; echo 'echo hello' >/root/.bashrc",
        "mv /root/kept /root/.bashrc || rm /root/.bashrc",
    ),
    (
        "a node of its own",
        "mkdir -p /etc/appliance; echo mine >/etc/appliance/mine",
        "grep mine /etc/appliance/mine && rm -r /etc/appliance",
    ),
    ("make room there", "fallocate -l $(($(df --output=avail -k / | tail -1) - 20000))K /filler", "rm /filler"),
)
"""Why a host is refused; how it becomes so, and as before."""
LOCK: Final = "/var/lib/appliance-lab/lock"
TRACES: Final = (
    "dpkg-query -W -f '${db:Status-Status}\\n' appliance 2>/dev/null | grep -v not-installed; "
    "find /etc/appliance /var/lib/appliance* /run/appliance /usr/lib/appliance /etc/systemd /run/systemd/system "
    "-path '*appliance*' 2>/dev/null; getent passwd appliance appliance-api; ip -o link show llp0 2>/dev/null; true"
)
USERS: Final = {"left": "root", "right": "admin"}
ADMIN: Final = (
    "useradd -m admin; echo 'admin ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/admin; "
    "cp -r /root/.ssh /home/admin && chown -R admin: /home/admin"
)
OURS: Final = (
    "find /etc/appliance /var/lib/appliance /var/lib/appliance-api -mindepth 1 -delete; "
    "rm -rf /etc/appliance /var/lib/appliance* /run/systemd/system/appliance.service.d"
)


class Rig:
    """The hosts as labs see them: an ssh_config, a lab file and a package in a folder."""

    def __init__(self, bed: Bed, folder: Path) -> None:
        self.config, self.file = folder / "ssh_config", folder / "lab.yaml"
        (folder / "splice.py").write_text(SPLICE)
        self.file.write_text(FILE)
        self.config.write_text("".join(_entry(guest, number, folder) for number, guest in enumerate(bed.both, 1)))
        self.package = higher(bed.package, bed.suite, folder)

    async def begin(self, config: Path | None = None, *options: str) -> Process:
        """Start a lab."""
        words = ("lab", self.file, "--on", config or self.config, "--package", self.package, *options)
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "appliance.cli", *map(str, words), stdout=PIPE, stderr=PIPE, start_new_session=True
        )

    async def refused(self, why: str, config: Path | None = None) -> str:
        """What a lab says that cannot be, for this reason: its error and its hint. Raises Wrong."""
        lab = await self.begin(config)
        _, err = await lab.communicate()
        expect(lab.returncode not in (0, None), f"a lab that cannot be ended with {lab.returncode}")
        said = [line for line in err.decode().splitlines() if line.startswith(("error:", "hint:"))]
        expect(len(said) == 2, f"not an error and a hint: {err.decode()}")
        expect(why in " ".join(said), f"not refused because of {why!r}: {said}")
        return " ".join(said)

    def other(self, name: str, old: str, new: str) -> Path:
        """Another ssh_config: with `old` replaced, once."""
        path = self.config.with_name(name)
        path.write_text(self.config.read_text().replace(old, new, 1))
        return path


async def labs_by_ssh(bed: Bed) -> str:
    """A lab on the two as hosts by SSH, as root and by sudo: the document is that of namespaces, and nothing is left."""
    async with _bare(bed) as rig:
        here, there = await asyncio.gather(_document(rig, "namespaces"), _document(rig))
        expect(_shape(here) == _shape(there), f"other documents: {_shape(here)}, {_shape(there)}")
        expect(there["ok"], f"the lab failed: {there}")
        await _clean(bed)
        return f"{len(there['probes'])} probes as in namespaces; sessions after {there['seconds_to_sessions']} s; nothing is left"


async def labs_that_end_early(bed: Bed) -> str:
    """Ctrl-C while apt installs, and SIGKILL, which the next lab undoes; another lab meanwhile is refused."""
    async with _bare(bed) as rig:
        killed = await rig.begin()
        await bed.left.until("test -e /var/lib/appliance-lab/appliance*.deb && grep -q lab- /var/lib/appliance-lab/notes")
        refusal = await rig.refused("another lab uses ")  # either, whichever says so first
        await bed.left.until("ps -C dpkg,dpkg-deb >/dev/null || dpkg -s appliance >/dev/null 2>&1")
        holder = (await bed.left.sh(f"cat {LOCK}")).strip()
        killed.kill()
        await killed.communicate()
        interrupted = await rig.begin()
        await bed.left.until(f"test -s {LOCK} && ! grep -qxF '{holder}' {LOCK} && ps -C apt-get >/dev/null")
        interrupted.send_signal(signal.SIGINT)
        await interrupted.communicate()
        expect(interrupted.returncode == 128 + signal.SIGINT, f"Ctrl-C ended the lab with {interrupted.returncode}")
        await _clean(bed)
        return f"{refusal}; nothing is left by the one that was killed, nor by Ctrl-C"


async def hosts_that_cannot_be_used(bed: Bed) -> str:
    """Hosts that are down or unknown, print of themselves, have a node or no room: refused with what to do, and untouched."""
    guest = bed.left
    async with _bare(bed) as rig:
        said = [await rig.refused("right: ssh: Could not resolve", rig.other("unknown", "Host right", "Host rigth"))]
        said += [await rig.refused("left: Connection refused", rig.other("down", " 2222", " 2223"))]
        for why, do, undo in UNFIT:
            await guest.sh(do, check=False)
            try:
                said.append(await rig.refused(why))
            finally:
                await guest.sh(undo)
        await _clean(bed)
        return " / ".join(said)


@asynccontextmanager
async def _bare(bed: Bed) -> AsyncIterator[Rig]:
    """Neither has the package, nor the users that it leaves. `admin` is a user of the second."""
    script = f"dpkg --purge appliance; userdel appliance; userdel appliance-api; {OURS}"
    await asyncio.gather(*(guest.sh(script, check=False) for guest in bed.both))
    await bed.right.sh(f"id admin || {{ {ADMIN}; }}")
    with tempfile.TemporaryDirectory() as folder:
        yield await asyncio.to_thread(Rig, bed, Path(folder))


async def _document(rig: Rig, on: str = "") -> dict[str, Any]:
    lab = await rig.begin(Path(on) if on else None, "--json")
    out, err = await lab.communicate()
    expect(bool(out), f"no document: {err.decode()}")
    found: dict[str, Any] = json.loads(out)
    return found


def _shape(document: dict[str, Any]) -> list[Any]:
    probes = [(probe["name"], probe["from"], probe["to"], probe["ok"], sorted(probe)) for probe in document["probes"]]
    return [sorted(document), [sorted(host) for host in document["hosts"]], probes, document["left_behind"]]


async def _clean(bed: Bed) -> None:
    for guest in bed.both:
        expect(not (left := await guest.sh(TRACES)), f"left on {guest.name}: {left}")


def _entry(guest: Guest, number: int, folder: Path) -> str:
    namespace = guest.machine.namespace.path
    key = guest.machine.guest.image.key
    return HOST.format(
        name=guest.name,
        user=USERS[guest.name],
        address=f"192.0.2.{number}",
        key=key,
        namespace=namespace,
        python=sys.executable,
        splice=folder / "splice.py",
    )


ALL: Final = (labs_by_ssh, labs_that_end_early, hosts_that_cannot_be_used)
