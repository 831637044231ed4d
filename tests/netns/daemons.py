"""Hosts with a daemon each, as an admin has them: a namespace, a profile, a key, and the commands."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from appliance.protocol.identity import Identity
from tests.netns.throwaway import Throwaway

READY = 60.0
"""Seconds for a daemon to say that it is ready; it takes one on an idle machine."""


class Host:
    """A namespace with a profile, and the daemon in it. Logs are JSON lines."""

    def __init__(self, namespace: Throwaway, folder: Path, number: int) -> None:
        self.namespace = namespace
        self.profile = folder / f"{number}.yaml"
        self.log = folder / f"{number}.log"
        self.number = number
        self.entering = ["nsenter", f"--net=/run/netns/{namespace.name}"]
        self.identity = Identity.generate()
        self.process: subprocess.Popen[bytes] | None = None
        self.kept = folder / f"{number}.kept"
        self.prefix: tuple[str, ...] = ()
        """A command that starts the daemon's."""
        key = folder / f"{number}.key"
        key.touch(0o600)
        key.write_bytes(self.identity.to_pem())

    def write(
        self,
        peer: Host,
        *,
        listen: str = "udp://0.0.0.0:8443, tcp://0.0.0.0:8443",
        endpoints: str = "",
        interface: str = "llp0",
        mtu: int = 1400,
        network: str = "",
        plugins: str = "",
        peering: str = "",
        more: str = "",
    ) -> None:
        """Write the profile. `network`, `plugins` and `peering` are further keys of these sections, `more` are further ones."""
        self.profile.write_text(
            f"""profile: 1
name: host-{self.number}
server: {{identity: file:{self.number}.key, listen: [{listen}]}}
network:
  {{interface: {interface}, mtu: {mtu}, addresses: [10.8.0.{self.number}/24, "fd00:8::{self.number}/64"], {network}}}
plugins: [transport-ip, crypto-standard, routing-static, {plugins}]
{more}
peers:
  - name: other
    identity: {peer.identity.fingerprint}
    endpoints: [{endpoints}]
    allowed: [10.8.0.{peer.number}/32, "fd00:8::{peer.number}/128"]
    {peering}
"""
        )

    def command(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run `appliance WORDS` there, with some variables set."""
        return subprocess.run(
            [*self.entering, sys.executable, "-P", "-m", "appliance.cli", *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env=self.environ(environ),
        )

    def environ(self, more: dict[str, str] | None = None) -> dict[str, str]:
        """The variables of what runs there."""
        return os.environ | {"STATE_DIRECTORY": str(self.kept)} | (more or {})

    def launch(self, *words: str, **environ: str) -> None:
        """Start the daemon, with further words and some variables set."""
        self.heard = b""
        self._errors, writing = os.pipe()
        command = [*self.entering, *self.prefix, sys.executable, "-P", "-m", "appliance.cli", "run"]
        with os.fdopen(writing, "wb") as errors:
            self.process = subprocess.Popen([*command, str(self.profile), *words], stderr=errors, env=self.environ(environ))

    def start(self, *words: str, **environ: str) -> None:
        """Start the daemon and wait until it is ready."""
        self.launch(*words, **environ)
        self.hear("ready")

    def hear(self, event: str, times: int = 1) -> None:
        """Wait until the daemon has logged `event` so many times."""
        while self.heard.count(f'"event": "{event}"'.encode()) < times:
            assert self._read(), self.heard.decode()

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The lines of that event heard so far."""
        lines = [json.loads(line) for line in self.heard.splitlines() if line.startswith(b"{")]
        return [line for line in lines if line["event"] == event]

    def _read(self) -> bool:
        assert select.select([self._errors], [], [], READY)[0], self.heard.decode()
        more = os.read(self._errors, 65536)
        self.heard += more
        return bool(more)

    def status(self) -> dict[str, Any]:
        answer = self.command("status", "--json")
        document: dict[str, Any] = json.loads(answer.stdout)
        return document

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        """Wait for the daemon's end; its exit code."""
        assert self.process is not None
        end = os.pidfd_open(self.process.pid)
        while end not in (ready := select.select([self._errors, end], [], [], READY)[0]):
            assert ready, self.heard.decode()
            self._read()
        while select.select([self._errors], [], [], 0)[0] and self._read():  # a worker left behind may have it open
            pass
        os.close(end)
        os.close(self._errors)
        code = self.process.wait()
        self.process = None
        return code

    def pings(self, address: str, *, within: int = 60) -> bool:
        """Does `address` answer within so many seconds?"""
        return "1 received" in self.namespace.sh(f"ping -c 1 -w {within} {address}", check=False)


@contextmanager
def pair(folder: Path) -> Iterator[tuple[Host, Host]]:
    """Two hosts on one wire, each with the other as its peer; the second calls the first."""
    with Throwaway() as one, Throwaway() as two:
        one.sh(f"ip link add wire type veth peer name wire netns {two.name}")
        for number, namespace in enumerate((one, two), 1):
            namespace.sh(f"ip link set wire addrgenmode none; ip addr add 192.0.2.{number}/24 dev wire; ip link set wire up")
        for namespace in (one, two):
            namespace.sh("until ip -6 route show table local | grep -q ff00; do :; done")  # the carrier is there
        first, second = Host(one, folder, 1), Host(two, folder, 2)
        first.write(second)
        second.write(first, endpoints='"udp://192.0.2.1:8443"')
        try:
            yield first, second
        finally:
            for host in (first, second):
                if host.process is not None:
                    host.stop()
