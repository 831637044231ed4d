"""wireguard-go on the two hosts of a lab, where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from appliance.lab.host import Host
from appliance.lab.machines.machine import LabFailure
from appliance.lab.namespace import ip

PEERS = Path(os.environ.get("PEERS_DIR", Path.home() / ".cache/peer-bench"))
"""Where the outside harness keeps newer programs than the system's."""
PORT = 51820
START_SECONDS = 5.0
OVERHEAD = 80
"""Bytes by which its MTU must stay below the wire's: its own 32, UDP's 8 and IPv6's 40."""


def program() -> str | None:
    """The newest wireguard-go there is; None where it or wg(8) is missing."""
    newer = PEERS / "x-wireguard-go/usr/bin/wireguard-go"
    found = str(newer) if os.access(newer, os.X_OK) else shutil.which("wireguard-go")
    return found if shutil.which("wg") else None


def version() -> str | None:
    """What it says of itself."""
    found = program()
    if found is None:
        return None
    return subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout.split("\n")[0]


class Tunnel:
    """Two daemons and their devices, which have names of their own: all daemons of a machine share one directory of sockets."""

    def __init__(self, hosts: tuple[Host, Host], wires: tuple[str, str], mtu: int, mark: str) -> None:
        """`wires` are the hosts' addresses on the underlay; `mark` is short and nobody else's."""
        self.hosts, self._wires, self._mtu = hosts, wires, mtu
        self._devices = tuple(f"wg{mark}{letter}" for letter in "ab")
        self.daemons: list[subprocess.Popen[bytes]] = []

    async def start(self) -> None:
        """Start both and tell each of the other. Raises LabFailure, HostError."""
        secrets = [_output("wg", "genkey") for _ in self.hosts]
        public = [_output("wg", "pubkey", stdin=secret) for secret in secrets]
        for host, device in zip(self.hosts, self._devices, strict=True):
            self._run(host, device)
        for number, (host, device) in enumerate(zip(self.hosts, self._devices, strict=True)):
            await self._configure(host, device, secrets[number], public[1 - number], self._wires[1 - number])

    def stop(self) -> None:
        """SIGTERM, so that they remove their sockets, and wait."""
        for daemon in self.daemons:
            daemon.terminate()
        for daemon in self.daemons:
            try:
                daemon.wait(START_SECONDS)
            except subprocess.TimeoutExpired:
                daemon.kill()
        self.daemons.clear()

    def _run(self, host: Host, device: str) -> None:
        nothing = subprocess.DEVNULL
        words = host.namespace.enter([program() or "wireguard-go", "-f", device])
        self.daemons.append(subprocess.Popen(words, stdin=nothing, stdout=nothing, stderr=nothing))

    async def _configure(self, host: Host, device: str, secret: str, peer: str, endpoint: str) -> None:
        key = host.directory / "wireguard.key"
        key.touch(mode=0o600)
        key.write_text(secret, encoding="ascii")
        words = ["wg", "set", device, "listen-port", PORT, "private-key", key, "peer", peer]
        words += ["allowed-ips", "0.0.0.0/0", "endpoint", f"{endpoint}:{PORT}"]
        wait = f"for i in $(seq 250); do wg show {device} >/dev/null 2>&1 && exit 0; sleep 0.02; done; exit 1"
        (await host.run(["sh", "-c", wait])).must_work()
        (await host.run([str(word) for word in words])).must_work()
        for address in host.entry.addresses:
            ip("addr", "add", str(address), "dev", device, namespace=host.namespace.name)
        ip("link", "set", device, "mtu", str(self._mtu), "up", namespace=host.namespace.name)


def _output(*words: Sequence[str] | str, stdin: str | None = None) -> str:
    done = subprocess.run([str(word) for word in words], input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabFailure(f"`{' '.join(map(str, words))}`: {done.stderr.strip()}")
    return done.stdout.strip()
