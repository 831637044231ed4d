"""A node of an ordinary user: it joins a network by a code, is a member like any other, and the host never knows."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.netns.daemons import Host
from tests.netns.throwaway import Throwaway
from tests.rigs.ordinary import Ordinary, forbidden, home_of_an_ordinary_user

pytestmark = [pytest.mark.netns, pytest.mark.skipif(bool(forbidden()), reason=f"this host forbids it: {forbidden()}")]

COMMAND = (sys.executable, "-P", "-m", "appliance.cli")


class Pair(NamedTuple):
    """Root's node of a network, and the host of somebody who was given a code."""

    hub: Host
    laptop: Ordinary

    def done(self, host: Host, *words: str, code: int = 0) -> Any:
        ran = host.command(*words, "--json")
        assert ran.returncode == code, ran.stdout + ran.stderr
        return json.loads(ran.stdout)

    def found(self) -> None:
        """Root makes a network and starts its node."""
        files = ("--profile", str(self.hub.profile), "--identity", str(self.hub.profile.with_suffix(".identity")))
        self.done(self.hub, "network", "new", "home", "--name", "hub", *files)
        self.hub.start()

    def join(self, *options: str) -> Any:
        """The ordinary user joins it by a code, again where the machine is too busy for its five seconds. `options` are of the
        invitation."""
        code = str(self.done(self.hub, "network", "invite", "laptop", *options)["code"])
        for _ in range(4):
            ran = self.laptop.command("join", code, "--json")
            if ran.returncode == 0:
                return json.loads(ran.stdout)
        return self.done(self.laptop, "join", code)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """Two hosts on one wire."""
    with Throwaway() as one, Throwaway() as two, home_of_an_ordinary_user() as home:
        one.sh(f"ip link add wire type veth peer name wire netns {two.name}")
        for number, namespace in enumerate((one, two), 1):
            namespace.sh(f"ip link set wire addrgenmode none; ip addr add 192.0.2.{number}/24 dev wire; ip link set wire up")
        for namespace in (one, two):
            namespace.sh("until ip -6 route show table local | grep -q ff00; do :; done")  # the carrier is there
        made = Pair(Host(one, tmp_path, 1), Ordinary(two, tmp_path, 2, home))
        try:
            yield made
        finally:
            for host in made:
                if host.process is not None:
                    host.stop()


def test_an_ordinary_user_is_a_member_like_any_other_and_leaves_nothing(pair: Pair) -> None:
    hub, laptop = pair
    pair.found()
    before = laptop.namespace.snapshot()
    member = pair.join()
    assert member["profile"] == str(laptop.home / ".config/appliance/profile.yaml")
    laptop.rootless()
    shown = laptop.status()
    assert (shown["rootless"], shown["interface"]["there"], shown["problems"]) == (True, True, {})
    assert shown["interface"]["differs"] is None
    assert laptop.namespace.snapshot() == before  # the device is elsewhere
    for address in member["addresses"]:
        assert hub.pings(address)
    for server, name, caller in ((laptop, "laptop", hub), (hub, "hub", laptop)):
        assert echoed(server, name, caller, b"x" * 1_000_000 + b"end") == b"x" * 1_000_000 + b"end"
    assert laptop.stop() == 0
    laptop.all_end()
    assert laptop.namespace.snapshot() == before
    assert not list(laptop.runtime.iterdir())
    assert laptop.command("status").returncode == 7


def test_a_killed_one_leaves_no_process_and_starts_again(pair: Pair) -> None:
    hub, laptop = pair
    pair.found()
    (address, *_) = pair.join()["addresses"]
    laptop.rootless()
    beside = hub.command("run", "--rootless", str(hub.profile))
    assert "already runs" in beside.stderr, "root's node has its state directory, and its workers"
    laptop.stop(signal.SIGKILL)
    laptop.all_end()
    laptop.rootless()
    assert hub.pings(address)
    pair.done(laptop, "stop")
    assert laptop.ended() == 0
    assert not list(laptop.runtime.iterdir())
    pair.done(laptop, "leave")
    assert not [path for path in laptop.home.rglob("*") if path.is_file()]


def test_members_are_let_in_by_their_tags_and_a_rootless_node_has_a_policy_too(pair: Pair) -> None:
    hub, laptop = pair
    files = ("--profile", str(hub.profile), "--identity", str(hub.profile.with_suffix(".identity")))
    pair.done(hub, "network", "new", "home", "--name", "hub", *files)
    with hub.profile.open("a") as profile:
        profile.write("policy: {allow: [{from: ['tag:guest'], what: ['service:echo']}]}\n")
    hub.start()
    address = pair.join("--tags", "guest")["addresses"][0]
    with laptop.profile.open("a") as profile:
        profile.write("policy: {allow: [{from: [hub], what: [tcp]}]}\n")
    laptop.rootless()
    assert echoed(hub, "hub", laptop, b"hello") == b"hello"
    assert not hub.pings(address, within=1)
    assert hub.status()["policy"]["denied"]["packets"] == {"to this node": 0, "passed on": 0}
    told = laptop.status()
    assert told["policy"]["denied"]["senders"][0]["from"] == "hub"
    assert told["problems"] == {}


def echoed(server: Host, name: str, caller: Host, text: bytes) -> bytes:
    """What a service on one host says to the other."""
    with serving(server, *COMMAND, "serve", "echo"):
        return called(caller, name, text)


@contextmanager
def serving(host: Host, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program there, from when it serves; killed at the end."""
    with subprocess.Popen([*host.entering, *command], stdout=subprocess.PIPE, env=host.environ()) as program:
        try:
            assert program.stdout is not None
            assert program.stdout.readline().startswith(b"serving")
            yield program
        finally:
            program.kill()


def called(caller: Host, name: str, text: bytes) -> bytes:
    """What that member's echo says to the caller."""
    command = [*caller.entering, *COMMAND, "connect", name, "echo", "--timeout", "60s"]
    return subprocess.run(command, input=text, stdout=subprocess.PIPE, timeout=90, check=True, env=caller.environ()).stdout


NO_MORE = ("unshare", "--user", "--map-root-user", "sh", "-c", 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"', "sh")
FILTER = """
import ctypes, os, platform, struct, sys
number = {"x86_64": 272, "aarch64": 97}[platform.machine()]
lines = [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in lines))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.create_string_buffer(struct.pack("@HP", len(lines), ctypes.addressof(program)))) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""
"""As Docker's filter: unshare(2) fails with EPERM."""


def test_who_may_not_is_told_what_allows_it(pair: Pair) -> None:
    laptop = pair.laptop
    assert laptop.command("init").returncode == 0
    assert laptop.command("keys", "new", str(laptop.profile.with_name("identity"))).returncode == 0
    without = laptop.command("run")
    assert (without.returncode, "appliance run --rootless" in without.stderr) == (6, True), without.stderr
    for prefix, says in (
        (NO_MORE, "sysctl -w user.max_user_namespaces="),
        ((sys.executable, "-c", FILTER), "seccomp=unconfined"),
    ):
        laptop.prefix = prefix
        laptop.launch("--rootless", STATE_DIRECTORY=str(laptop.home / "state"))
        assert laptop.ended() == 6, laptop.heard.decode()
        assert says in laptop.heard.decode(), laptop.heard.decode()
    assert not list(laptop.runtime.iterdir())


def test_in_a_container_whose_settings_can_only_be_read(pair: Pair) -> None:
    laptop = pair.laptop
    only_read = "mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys; "
    laptop.entering[-2] = laptop.entering[-2].replace('cd "$HOME"', only_read + 'cd "$HOME"')
    assert laptop.command("init").returncode == 0
    assert laptop.command("keys", "new", str(laptop.profile.with_name("identity"))).returncode == 0
    laptop.rootless()
    assert laptop.status()["interface"]["differs"] is None
    assert laptop.stop() == 0


def test_a_closed_device_is_named(pair: Pair) -> None:
    script = pair.laptop.entering[-2]
    pair.laptop.entering[-2] = script.replace("mknod -m 666", "mknod -m 600")
    pair.laptop.command("init")
    pair.laptop.launch("--rootless")
    assert pair.laptop.ended() == 6
    assert "chmod 666 /dev/net/tun" in pair.laptop.heard.decode()


OWN = """
import asyncio, sys
from appliance.sdk import Client
from appliance.sdk.own_node import NodeNotStarted, OwnNode

async def main():
    own = OwnNode(userspace="userspace" in sys.argv)
    async with own as node, Client(node.address) as client, await client.listen("echo") as listener:
        print("serving", flush=True)
        async for connection in listener:
            async with connection:
                while piece := await connection.read():
                    await connection.write(piece)

try:
    asyncio.run(main())
except NodeNotStarted as error:
    print(error.message)
"""


@pytest.mark.parametrize("kind", ["rootless", "userspace"])
def test_a_program_has_a_node_of_its_own_that_ends_with_it(pair: Pair, kind: str) -> None:
    hub, laptop = pair
    pair.found()
    pair.join()
    command = (sys.executable, "-P", "-c", OWN, kind)
    with serving(laptop, *command):
        second = [*laptop.entering, *command]
        said = subprocess.run(second, stdout=subprocess.PIPE, env=laptop.environ(), timeout=120, check=True).stdout
        assert b"already runs" in said
        assert called(hub, "laptop", b"hello") == b"hello"
    laptop.all_end()
    assert not list(laptop.runtime.iterdir())
