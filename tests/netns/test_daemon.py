"""The daemon as an admin meets it: two hosts, two profiles, `appliance run`, and what may happen to it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import ExitCode
from appliance.protocol.identity import Identity
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

READY = 20.0
"""Seconds for a daemon to say that it is ready; it takes one on an idle machine."""


class Host:
    """A namespace with a profile, and the daemon in it. Logs are JSON lines."""

    def __init__(self, namespace: Throwaway, folder: Path, number: int) -> None:
        self.namespace = namespace
        self.profile = folder / f"{number}.yaml"
        self.log = folder / f"{number}.log"
        self.number = number
        self.identity = Identity.generate()
        self.process: subprocess.Popen[bytes] | None = None
        key = folder / f"{number}.key"
        key.touch(0o600)
        key.write_bytes(self.identity.to_pem())

    def write(
        self, peer: Host, *, listen: str = "udp://0.0.0.0:8443, tcp://0.0.0.0:8443", endpoints: str = "", mtu: int = 1400
    ) -> None:
        self.profile.write_text(
            f"""profile: 1
name: host-{self.number}
server: {{identity: file:{self.number}.key, listen: [{listen}]}}
network: {{interface: llp0, addresses: [10.8.0.{self.number}/24, "fd00:8::{self.number}/64"], mtu: {mtu}}}
plugins: [transport-ip, crypto-standard, routing-static]
peers:
  - name: other
    identity: {peer.identity.fingerprint}
    endpoints: [{endpoints}]
    allowed: [10.8.0.{peer.number}/32, "fd00:8::{peer.number}/128"]
"""
        )

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["nsenter", f"--net=/run/netns/{self.namespace.name}", sys.executable, "-P", "-m", "appliance.cli", *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def start(self) -> None:
        """Start the daemon and wait until it is ready."""
        reading, writing = os.pipe()
        command = ["nsenter", f"--net=/run/netns/{self.namespace.name}", sys.executable, "-P", "-m", "appliance.cli", "run"]
        with os.fdopen(writing, "wb") as errors:
            self.process = subprocess.Popen([*command, str(self.profile)], stderr=errors)
        heard = b""
        while b'"event": "ready"' not in heard:
            assert select.select([reading], [], [], READY)[0], heard
            more = os.read(reading, 65536)
            assert more, heard
            heard += more
        self.errors = reading

    def status(self) -> dict[str, Any]:
        answer = self.command("status", "--json")
        document: dict[str, Any] = json.loads(answer.stdout)
        return document

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(30)
        os.close(self.errors)
        self.process = None
        return code

    def pings(self, address: str) -> bool:
        """Does `address` answer within ten seconds?"""
        return "1 received" in self.namespace.sh(f"ping -c 1 -w 10 {address}", check=False)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[tuple[Host, Host]]:
    """Two hosts on one wire, each with the other as its peer; the second calls the first."""
    with Throwaway() as one, Throwaway() as two:
        one.sh(f"ip link add wire type veth peer name wire netns {two.name}")
        for number, namespace in enumerate((one, two), 1):
            namespace.sh(f"ip link set wire addrgenmode none; ip addr add 192.0.2.{number}/24 dev wire; ip link set wire up")
        for namespace in (one, two):
            namespace.sh("until ip -6 route show table local | grep -q ff00; do :; done")  # the carrier is there
        first, second = Host(one, tmp_path, 1), Host(two, tmp_path, 2)
        first.write(second)
        second.write(first, endpoints='"udp://192.0.2.1:8443"')
        try:
            yield first, second
        finally:
            for host in (first, second):
                if host.process is not None:
                    host.stop()


def test_two_hosts_reach_each_other_and_leave_no_trace(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    before = first.namespace.snapshot()
    first.start()
    second.start()
    assert first.pings("10.8.0.2")
    assert second.pings("fd00:8::1")
    status = first.status()
    session = status["sessions"][0]
    assert (session["peer"], session["suite"], session["pq"], session["transport"]) == ("other", "aes-256-gcm", True, "udp")
    assert session["endpoint"].startswith("udp://192.0.2.2:")
    assert session["rx_bytes"] > 0
    assert session["tx_bytes"] > 0
    assert status["state"] == "running"
    assert first.stop() == ExitCode.OK
    assert first.namespace.snapshot() == before


def test_a_killed_worker_is_replaced_and_its_peer_called(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.start()
    second.start()
    assert first.pings("10.8.0.2")
    os.kill(first.status()["worker"]["pid"], signal.SIGKILL)
    assert second.pings("10.8.0.1")
    assert first.status()["worker"]["restarts"] == 1


def test_a_killed_daemon_is_followed_by_the_next(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    before = first.namespace.snapshot()
    first.start()
    second.start()
    assert first.pings("10.8.0.2")
    assert len(first.status()["sessions"]) == 1
    assert first.stop(signal.SIGKILL) == -signal.SIGKILL
    first.start()
    assert first.pings("10.8.0.2")
    assert first.stop() == ExitCode.OK
    assert first.namespace.snapshot() == before


def test_a_changed_profile_keeps_the_session(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.start()
    second.start()
    assert first.pings("10.8.0.2")
    session = first.status()["sessions"][0]["session"]
    first.write(second, listen="udp://0.0.0.0:8443, udp://0.0.0.0:9443", mtu=1300)
    answer = first.command("apply", str(first.profile), "--json")
    assert answer.returncode == ExitCode.OK, answer.stderr
    status = first.status()
    assert status["sessions"][0]["session"] == session
    assert status["listen"] == ["udp://0.0.0.0:8443", "udp://0.0.0.0:9443"]
    assert "mtu 1300" in first.namespace.sh("ip link show llp0")
    first.profile.write_text("profile: 2\n")
    assert first.command("apply", str(first.profile)).returncode == ExitCode.INVALID
    assert first.status()["sessions"][0]["session"] == session
    assert first.command("rollback").returncode == ExitCode.OK
    assert "mtu 1400" in first.namespace.sh("ip link show llp0")


def test_one_daemon_a_host_and_a_port_of_its_own(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.start()
    again = first.command("run", str(first.profile))
    assert again.returncode == ExitCode.FAILURE
    assert "already runs" in again.stderr
    before = second.namespace.snapshot()
    rival = f"import socket; s = socket.create_server(('', 8443)); import subprocess; subprocess.run({['sleep', '60']!r})"
    with subprocess.Popen(["nsenter", f"--net=/run/netns/{second.namespace.name}", sys.executable, "-c", rival]) as blocker:
        try:
            second.namespace.sh("until ss -lnt | grep -q 8443; do :; done")
            refused = second.command("run", str(second.profile))
        finally:
            blocker.kill()
    assert refused.returncode == ExitCode.FAILURE
    assert "port 8443 is in use" in refused.stderr
    assert second.namespace.snapshot() == before


def test_a_missing_key_says_how_to_make_one(hosts: tuple[Host, Host], tmp_path: Path) -> None:
    (tmp_path / "1.key").unlink()
    answer = hosts[0].command("run", str(hosts[0].profile))
    assert answer.returncode == ExitCode.INVALID
    assert "appliance keys new" in answer.stderr
