"""Names of peers for any program of a host: real daemons, the C library's resolver, and an /etc/resolv.conf of their own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rigs.name_server import WORLD, NameServer, listening

from appliance.linux import resolv_conf
from tests.netns.daemons import Host
from tests.netns.throwaway import Throwaway

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

NAMES = "names: {label: home}"
BEFORE = b"# the admin's \xe4\nnameserver 192.0.2.2\noptions timeout:2 attempts:5"
SECONDS = 60.0


@pytest.fixture
def resolving(hosts: tuple[Host, Host]) -> Iterator[tuple[Host, Path]]:
    """The first host with a file of its own, as `ip netns exec` gives it."""
    one, two = hosts
    folder = Path("/etc/netns") / one.namespace.name
    folder.mkdir(parents=True)
    file = folder / "resolv.conf"
    file.write_bytes(BEFORE)
    file.chmod(0o640)
    one.entering = ["ip", "netns", "exec", one.namespace.name]
    one.write(two, more=NAMES)
    try:
        yield one, file
        if one.process is not None:
            one.stop()
    finally:
        file.unlink()
        folder.rmdir()


def inside(host: Host, *words: str) -> str:
    """What a program there says."""
    done = subprocess.run([*host.entering, *words], capture_output=True, text=True, timeout=SECONDS, check=False)
    return done.stdout


def until(found: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not found():
        assert time.monotonic() < end


def test_any_program_finds_a_peer_by_name_and_the_file_comes_back(resolving: tuple[Host, Path], hosts: tuple[Host, Host]) -> None:
    one, file = resolving
    one.start()
    hosts[1].start()
    with NameServer(*hosts[1].namespace.run(listening, "192.0.2.2")) as world:
        assert inside(one, "getent", "ahostsv4", "OTHER.home").split()[0] == "10.8.0.2"
        assert inside(one, "getent", "ahostsv6", "other").split()[0] == "fd00:8::2", "short names are looked for there, too"
        assert inside(one, "getent", "hosts", "10.8.0.2").split()[1] == "other.home"
        assert inside(one, "getent", "ahosts", "nobody.home") == ""
        assert world.asked == [], "no name of the overlay is asked for elsewhere"
        ping = inside(one, "ping", "-c", "1", "-w", "30", "other")
        assert "other.home (fd00:8::2)" in ping
        assert "1 received" in ping
        assert inside(one, "getent", "ahostsv4", "world.example").split()[0] == WORLD, "all other names as before"
    assert one.status()["names"]["servers"] == ["192.0.2.2"]
    said = one.command("ping", "Other.home", "--count", "1")
    assert re.fullmatch(r"other \(10\.8\.0\.2\) answers by udp://192\.0\.2\.2:\d+ in [\d.]+ ms\n", said.stdout), said
    assert "nobody" in one.command("ping", "nobody").stderr
    [place] = json.loads(hosts[1].command("discover", "--json").stdout)
    assert (place["kind"], place["peer"], place["endpoint"], place["works"]) == ("profile", "other", "udp://192.0.2.1:8443", True)
    assert one.stop() == 0
    assert file.read_bytes() == BEFORE
    assert file.stat().st_mode & 0o777 == 0o640


def test_a_file_that_others_rewrite_is_ours_again_and_then_theirs(resolving: tuple[Host, Path]) -> None:
    one, file = resolving
    one.start()
    fresh = b"nameserver 198.51.100.53\n"
    file.write_bytes(fresh)  # a DHCP client has moved to another network
    one.hear("brought back what was missing on the host")
    assert file.read_bytes().startswith(b"# Made by the appliance")
    until(lambda: one.status()["names"]["servers"] == ["198.51.100.53"])
    assert one.stop() == 0
    assert file.read_bytes() == fresh


def test_what_a_killed_node_left_is_undone_with_and_without_its_journal(resolving: tuple[Host, Path], state_dir: Path) -> None:
    one, file = resolving
    one.start()
    one.stop(signal.SIGKILL)
    assert file.read_bytes() != BEFORE
    assert one.command("rollback").returncode == 0
    assert file.read_bytes() == BEFORE

    one.start(APPLIANCE_STATE_DIR=str(state_dir))  # where nobody looks for the journal: as after a power cut
    worker = one.status()["worker"]["pid"]
    one.stop(signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{worker}").exists())
    inside(one, "ip", "link", "del", "llp0")
    left = file.read_bytes()
    assert left != BEFORE
    assert "undone: 1 change" in one.command("rollback").stdout
    assert file.read_bytes() == BEFORE
    file.write_bytes(left)
    one.start()
    assert one.stop() == 0
    assert file.read_bytes() == BEFORE


def test_peers_get_answers_about_peers_where_the_profile_says_so(resolving: tuple[Host, Path], hosts: tuple[Host, Host]) -> None:
    one, _ = resolving
    ask = ["python3", "-c", ASK, "10.8.0.1"]
    hosts[1].start()
    one.start()
    assert hosts[1].pings("10.8.0.1")
    assert inside(hosts[1], *ask, "other.home") == "nothing\n"
    one.write(hosts[1], more="names: {label: home, serve: peers}")
    assert one.command("apply").returncode == 0
    until(lambda: inside(hosts[1], *ask, "other.home") == "code 0, 1 answers\n")
    until(lambda: inside(hosts[1], *ask, "world.example") == "code 5, 0 answers\n")


ASK = """
import socket, sys
server, name = sys.argv[1:]
asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asking.settimeout(2)
asking.connect((server, 53))
labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
asking.send(bytes.fromhex("0007 0100 0001 0000 0000 0000") + labels + bytes.fromhex("00 0001 0001"))
try:
    said = asking.recv(4096)
    print(f"code {said[3] & 15}, {said[7]} answers")
except OSError:
    print("nothing")
"""


def test_the_file_of_those_who_started_the_node_elsewhere_is_left_alone(namespace: Throwaway) -> None:
    """They may be the only ones whose file can be compared: a container's first process often cannot."""
    assert "is the whole machine's" in namespace.run(resolv_conf.observe)["obstacle"]
    assert "is the whole machine's" not in resolv_conf.observe()["obstacle"]
