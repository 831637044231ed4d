"""A daemon in a network of members, of whom one means ill: certificates without end, and strangers without end."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from appliance.control import client
from appliance.foundation import places
from appliance.protocol.session import PROBATION_SECONDS
from appliance.runtime.members.network_folder import NetworkFolder
from tests.netns.daemons import Host
from tests.rigs.certified import Network, network

pytestmark = [pytest.mark.netns, pytest.mark.timeout(300)]

SITES = ("192.0.2.3", "198.51.100.3", "203.0.113.3")
CERTIFICATES, STRANGERS, HANDSHAKES = 10_000, 200, 50
"""That are offered, that call, and that the node works on in a second."""
MEMORY_BYTES = 64_000_000
STATUS_SECONDS = 1.0


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Network]:
    """A node, a friend and one that means ill, who calls from several places."""
    with network(tmp_path, 3) as found:
        for site in SITES[1:]:
            found.hosts[2].namespace.sh(f"ip addr add {site}/32 dev wire")
            found.hosts[0].namespace.sh(f"ip route add {site}/32 via 192.0.2.3")
        yield found


@contextmanager
def hostile(victim: Host, host: Host, now: int, *sites: str) -> Iterator[Callable[..., dict[str, Any]]]:
    """The program that attacks `victim` from `host`, where it is a member; it is told what to do, and answers. `sites`: its
    addresses."""
    proof = host.profile.with_name("proof")
    proof.write_bytes(NetworkFolder(host.kept / "mesh-home").trust(now).proof_of(host.identity.fingerprint))
    words = ["tcp://192.0.2.1:8443", victim.identity.fingerprint, host.profile.with_name("3.key"), proof, ",".join(sites)]
    command = [*host.entering, sys.executable, "-m", "tests.rigs.hostile_member", *words]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        told = process.stdout

        def do(*words: object) -> dict[str, Any]:
            print(*words, file=process.stdin, flush=True)
            return dict(json.loads(told.readline()))

        assert json.loads(told.readline()) == {"member": True}
        yield do


class Watch(threading.Thread):
    """Asks a node again and again how it is, until the end of the block."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host
        self._over = threading.Event()
        self.took: list[float] = []
        self.strangers = 0

    def run(self) -> None:
        while not self._over.wait(0.02):
            begun = time.monotonic()
            self.strangers = max(self.strangers, asked(self._host)["mesh"]["strangers"])
            self.took.append(time.monotonic() - begun)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()


def asked(host: Host) -> dict[str, Any]:
    return dict(host.namespace.run(client.call, "status", {}, timeout=60.0, address=places.ABSTRACT))


def members(host: Host) -> set[str]:
    return {peer["name"] for peer in asked(host)["peers"]}


def memory(host: Host) -> int:
    assert host.process is not None
    status = Path(f"/proc/{host.process.pid}/status").read_text()
    return 1024 * int(status.partition("VmRSS:")[2].split()[0])


def test_certificates_and_strangers_without_end_are_bounded_and_counted(three: Network, long_form: bool) -> None:
    victim, friend, evil = three.hosts
    limits = f"limits: {{handshakes_per_second: {HANDSHAKES}}}"
    three.write(victim, limits, mesh="scores: false")  # else the member that means ill is blocked after some seconds
    victim.profile.write_text(victim.profile.read_text().replace("0.0.0.0:8443]", "0.0.0.0:8443, tcp://0.0.0.0:8443]"))
    victim.start()
    friend.start()
    assert friend.pings("10.86.0.1")
    with hostile(victim, evil, three.now, *SITES) as attack:
        before = memory(victim)
        assert members(victim) == {"host-2", "host-3"}

        with Watch(victim) as offered:
            assert attack("offer", CERTIFICATES) == {"offered": CERTIFICATES, "session": True}
            assert friend.pings("10.86.0.1")
        then = asked(victim)
        assert members(victim) == {"host-2", "host-3"}
        assert then["mesh"]["refused"]["bad-signature"] > 0
        assert then["protocols"]["member"]["control-flood"] > 0, "most were not even looked at"

        with Watch(victim) as crowded:
            assert attack("crowd", STRANGERS) == {"called": STRANGERS}
            assert friend.pings("10.86.0.1")
        assert asked(victim)["handshakes"]["probation"] > STRANGERS / 2
        assert crowded.strangers <= HANDSHAKES * PROBATION_SECONDS / 4
        assert members(victim) == {"host-2", "host-3"}
        grown = memory(victim) - before
        assert grown < MEMORY_BYTES
    slowest = max(offered.took), max(crowded.took)
    print(f"status at most {slowest[0]:.3f} and {slowest[1]:.3f} s, {crowded.strangers} strangers, {grown / 1e6:+.1f} MB")
    if long_form:
        assert max(slowest) < STATUS_SECONDS
