"""A node of an ordinary user where the kernel gives neither namespaces nor a TUN device, as in a container without privileges."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns.daemons import Host
from tests.netns.test_rootless import Pair, echoed
from tests.netns.throwaway import Throwaway
from tests.rigs.ordinary import USER, Ordinary, home_of_an_ordinary_user

pytestmark = pytest.mark.netns
NO_TUN = "mount -t tmpfs tmpfs /mnt; mount --bind /dev/null /dev/net/tun"
NOTHING = (
    *("unshare", "--user", "--map-user", str(USER), "sh", "-c"),
    'echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs "$@"',
    "sh",
)
"""No further namespace can be made, and there are no capabilities at all."""


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """Root's node, and the host of somebody who may nothing."""
    with Throwaway() as one, Throwaway() as two, home_of_an_ordinary_user() as home:
        one.sh(f"ip link add wire type veth peer name wire netns {two.name}")
        for number, namespace in enumerate((one, two), 1):
            namespace.sh(f"ip link set wire addrgenmode none; ip addr add 192.0.2.{number}/24 dev wire; ip link set wire up")
        for namespace in (one, two):
            namespace.sh("until ip -6 route show table local | grep -q ff00; do :; done")  # the carrier is there
        made = Pair(Host(one, tmp_path, 1), Ordinary(two, tmp_path, 2, home, tun=NO_TUN))
        try:
            yield made
        finally:
            for host in made:
                if host.process is not None:
                    host.stop()


def test_who_may_nothing_is_a_full_member(pair: Pair) -> None:
    hub, laptop = pair
    pair.found()
    before = laptop.namespace.snapshot()
    member = pair.join()
    laptop.start("--userspace")
    shown = laptop.status()
    assert (shown["interface"]["name"], shown["interface"]["differs"], shown["problems"]) == ("user space", None, {})
    for address in member["addresses"]:
        assert hub.pings(address)
    for server, name, caller in ((laptop, "laptop", hub), (hub, "hub", laptop)):
        assert echoed(server, name, caller, b"x" * 1_000_000 + b"end") == b"x" * 1_000_000 + b"end"
    while laptop.status()["userspace"]["memory"]:
        pass  # what was sent last is acknowledged in a moment
    assert laptop.namespace.snapshot() == before
    assert laptop.stop() == 0
    assert not list(laptop.runtime.rglob("*"))


def test_one_way_to_do_without_root_is_enough(pair: Pair) -> None:
    ran = pair.laptop.command("run", "--rootless", "--userspace")
    assert (ran.returncode, "say one of them" in ran.stderr) == (2, True), ran.stderr
