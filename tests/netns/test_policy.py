"""Policies in force on running nodes: what is let in, what is passed on, and what happens when the rules change."""

from __future__ import annotations

import select
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from appliance.errors import ExitCode
from tests.netns.daemons import READY, Host
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

FIRST, SECOND = "10.8.0.1", "10.8.0.2"


def test_what_is_allowed_goes_on_when_rules_change_and_what_is_not_ends(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.write(second, more="policy: {allow: [{from: [other], what: [tcp/7001, tcp/7002]}]}")
    before = first.namespace.snapshot()
    for host in hosts:
        host.start()
    with ExitStack() as stack:
        kept, ends = (stack.enter_context(Connection(first, second, port)) for port in (7001, 7002))
        assert kept.carries()
        assert ends.carries()
        refused = stack.enter_context(Attempt(second, FIRST, 7003))
        seen = wait_for(first, lambda status: status["denied"]["packets"]["to this node"])
        assert seen["denied"]["senders"][0]["from"] == "other"
        assert not refused.answered()
        own = stack.enter_context(Connection(second, first, 7004))
        assert own.carries(), "what this node begins is answered"
        assert first.pings(SECOND)
        assert not second.pings(FIRST, within=1)

        tests = "tests: [{from: other, what: tcp/7002, expect: allow}]"
        first.write(second, more=f"policy: {{allow: [{{from: [other], what: [tcp/7001]}}], {tests}}}")
        for word in ("check", "plan", "apply"):
            refused_by = first.command(word, str(first.profile))
            assert refused_by.returncode == ExitCode.INVALID
            assert "policy.tests.0.expect: other to self with tcp/7002 is denied" in refused_by.stdout + refused_by.stderr
        assert ends.carries(), "nothing was applied"
        first.write(second, more="policy: {allow: [{from: [other], what: [tcp/7001]}]}")
        assert first.command("apply").returncode == ExitCode.OK
        denied = seen["denied"]["packets"]["to this node"]
        ends.far.send(b"too late")
        wait_for(first, lambda status: status["denied"]["packets"]["to this node"] > denied)
        assert not select.select([ends.near], [], [], 0)[0]
        assert kept.carries()

        first.namespace.sh("nft delete table inet appliance")
        first.hear("brought back what was missing on the host")
        assert kept.carries(), "the peer is known again"
        again = stack.enter_context(Attempt(second, FIRST, 7003))
        wait_for(first, lambda status: status["denied"]["packets"]["to this node"])
        assert not again.answered()
    first.stop()
    assert first.namespace.snapshot() == before


def test_a_hub_passes_on_what_its_policy_allows(three: tuple[Host, Host, Host]) -> None:
    hub, left, right = three
    for host in three:
        host.start()
    with ExitStack() as stack:
        through = stack.enter_context(Connection(right, left, 7001))
        assert through.carries()
        assert left.pings("10.8.0.3"), "ICMP is allowed to the right"
        refused = stack.enter_context(Attempt(left, "10.8.0.3", 7002))
        back = stack.enter_context(Attempt(right, "10.8.0.2", 7001))
        seen = wait_for(hub, lambda status: len(status["denied"]["senders"]) == 2)
        assert seen["denied"]["packets"]["passed on"] >= 2
        assert seen["denied"]["packets"]["to this node"] == 0
        assert not refused.answered()
        assert not back.answered()
        hub.profile.write_text(hub.profile.read_text().replace("tcp/7001", "tcp/7002"))
        assert hub.command("apply").returncode == ExitCode.OK
        denied = seen["denied"]["packets"]["passed on"]
        through.near.send(b"an answer to what is not allowed any more")
        wait_for(hub, lambda status: status["denied"]["packets"]["passed on"] > denied)
        assert not select.select([through.far], [], [], 0)[0]
        assert stack.enter_context(Connection(right, left, 7002)).carries()


@pytest.fixture
def three(tmp_path: Path) -> Iterator[tuple[Host, Host, Host]]:
    """A hub with a policy, and two peers that reach each other by it."""
    with Throwaway() as one, Throwaway() as two, Throwaway() as third:
        for number, namespace in ((2, two), (3, third)):
            one.sh(f"ip link add wire{number} type veth peer name wire netns {namespace.name}")
            one.sh(f"ip addr add 192.0.{number}.1/24 dev wire{number}; ip link set wire{number} up")
            namespace.sh(f"ip addr add 192.0.{number}.2/24 dev wire; ip link set wire up")
        hub, left, right = (Host(namespace, tmp_path, number) for number, namespace in enumerate((one, two, third), 1))
        hub.write(left, network="forward: true", more="policy: {allow: [{from: [other], to: [right], what: [tcp/7001, icmp]}]}")
        with hub.profile.open("a") as profile:
            profile.write(f"  - {{name: right, identity: {right.identity.fingerprint}, allowed: [10.8.0.3/32]}}\n")
        for number, host in ((2, left), (3, right)):
            host.write(hub, endpoints=f'"udp://192.0.{number}.1:8443"')
            text = host.profile.read_text()
            host.profile.write_text(text.replace('allowed: [10.8.0.1/32, "fd00:8::1/128"]', "allowed: [10.8.0.0/24]"))
        try:
            yield hub, left, right
        finally:
            for host in (hub, left, right):
                if host.process is not None:
                    host.stop()


class Connection:
    """A TCP connection inside the overlay, from `client` to a port of `server`. `near` is the server's end."""

    def __init__(self, server: Host, client: Host, port: int) -> None:
        address = f"10.8.0.{server.number}"
        with server.namespace.run(socket.create_server, (address, port)) as listener:
            self.far: socket.socket = client.namespace.run(socket.create_connection, (address, port), READY)
            self.near, _ = listener.accept()
        self.near.settimeout(READY)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.near.close()
        self.far.close()

    def carries(self) -> bool:
        """Does it carry something there and back?"""
        self.far.send(b"there")
        there = self.near.recv(64)
        self.near.send(b"back")
        return (there, self.far.recv(64)) == (b"there", b"back")


class Attempt:
    """A TCP connection that is being made."""

    def __init__(self, client: Host, address: str, port: int) -> None:
        def begin() -> socket.socket:
            sock = socket.socket()
            sock.settimeout(0)
            sock.connect_ex((address, port))
            return sock

        self._socket: socket.socket = client.namespace.run(begin)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._socket.close()

    def answered(self) -> bool:
        """Did the other side say something, be it no?"""
        return bool(select.select([], [self._socket], [], 0)[1])


def wait_for(host: Host, told: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """What `status` tells of the policy, once it tells that."""
    found: dict[str, Any] = {}
    for _ in range(200):
        found = host.status()["policy"]
        if told(found):
            return found
    raise AssertionError(found)


def test_streams_are_judged_by_service_and_end_with_their_rule(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.write(second, more="policy: {allow: [{from: [other], what: [service:kept, service:ends]}]}")
    for host in hosts:
        host.start()
    with ExitStack() as stack:
        for name in ("kept", "ends", "secret"):
            stack.enter_context(command(first, "serve", name, "--run", "cat")).says(b"serving")
        refused = second.command("connect", "other", "secret")
        assert refused.returncode == ExitCode.PERMISSION, refused.stderr
        assert first.status()["policy"]["denied"]["streams"] == [{"from": "other", "service": "secret", "times": 1}]
        kept, ends = (stack.enter_context(command(second, "connect", "other", name)) for name in ("kept", "ends"))
        assert kept.echoes(b"one")
        assert ends.echoes(b"two")
        first.write(second, more="policy: {allow: [{from: [other], what: [service:kept]}]}")
        assert first.command("apply").returncode == ExitCode.OK
        ends.process.wait(READY)
        assert kept.echoes(b"three")
        assert first.status()["policy"]["denied"]["streams_ended"] == 1


class Running:
    """A command of a host, with pipes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def says(self, words: bytes) -> None:
        """Wait for a line that begins so."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline().startswith(words)

    def echoes(self, line: bytes) -> bool:
        """Is a line given back as it was?"""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()
        return self.process.stdout.readline() == line + b"\n"


@contextmanager
def command(host: Host, *words: str) -> Iterator[Running]:
    """`appliance WORDS` on that host, ended in the end."""
    full = [*host.entering, sys.executable, "-P", "-m", "appliance.cli", *words]
    with subprocess.Popen(full, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Running(process)
        finally:
            process.kill()
