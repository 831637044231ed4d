"""Only root, and who may change the network, can open the node's TUN device: an ordinary user would read and write plaintext."""

from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from appliance.api.planning import Action
from appliance.apply.engine import apply_profile, rollback
from appliance.errors import HostError, PlanError
from appliance.linux.actions import perform
from appliance.linux.netlink import Netlink
from tests.netns.daemons import Host
from tests.netns.profiles import profile
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

ORDINARY = 12345
OPEN = """
import fcntl, os, struct, sys
flags, user = int(sys.argv[1]), int(sys.argv[2])
device = os.open("/dev/net/tun", os.O_RDWR)
os.setgroups([])
os.setresgid(user, user, user)
os.setresuid(user, user, user)
try:
    fcntl.ioctl(device, 0x400454CA, struct.pack("16sH22x", b"llp0", flags))
except OSError as error:
    print(error.errno, flush=True)
else:
    print(0, flush=True)
    sys.stdin.read()
"""
"""TUNSETIFF by a user of the host. The device file is opened before, since its mode differs between hosts: on most all may."""
ONE_QUEUE, SEVERAL = 0x5001, 0x5101
"""IFF_TUN | IFF_NO_PI | IFF_VNET_HDR, and with IFF_MULTI_QUEUE."""


@contextmanager
def somebody(namespace: Throwaway, flags: int) -> Iterator[int]:
    """An ordinary user opens llp0, and stays. Gives 0, or why the kernel refused."""
    command = ["nsenter", f"--net=/run/netns/{namespace.name}", sys.executable, "-c", OPEN, str(flags), str(ORDINARY)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())


def refused_to_everybody(namespace: Throwaway) -> bool:
    """Is it refused to an ordinary user? The kernel first says EINVAL to who asks for one queue of several, or the other way."""
    refusals = set()
    for flags in (ONE_QUEUE, SEVERAL):
        with somebody(namespace, flags) as refusal:
            refusals.add(refusal)
    return refusals == {errno.EPERM, errno.EINVAL}


@pytest.mark.parametrize("flags", [ONE_QUEUE, SEVERAL])
def test_a_device_without_an_owner_is_everybodys(namespace: Throwaway, flags: int) -> None:
    namespace.sh(f"ip tuntap add dev llp0 mode tun vnet_hdr {'multi_queue' if flags == SEVERAL else ''}")
    with somebody(namespace, flags) as refusal:
        assert refusal == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_device_without_a_daemon_is_roots(namespace: Throwaway, state_dir: Path, workers: int) -> None:
    namespace.run(apply_profile, profile(workers=workers), state_dir)
    assert refused_to_everybody(namespace)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_running_nodes_device_is_roots(hosts: tuple[Host, Host], workers: int) -> None:
    first, second = hosts
    first.write(second, network=f"workers: {workers}")
    first.start()
    second.start()
    assert first.pings("10.8.0.2")
    assert refused_to_everybody(first.namespace)
    assert refused_to_everybody(second.namespace)
    assert second.pings("10.8.0.1")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_device_that_was_found_becomes_roots_and_stays_so(namespace: Throwaway, state_dir: Path, workers: int) -> None:
    namespace.sh(f"ip tuntap add dev llp0 mode tun vnet_hdr {'multi_queue' if workers > 1 else ''}")
    namespace.run(apply_profile, profile(workers=workers), state_dir)
    assert refused_to_everybody(namespace)
    assert not namespace.run(apply_profile, profile(workers=workers), state_dir).changed
    namespace.run(rollback, state_dir)
    assert refused_to_everybody(namespace), "the kernel takes no owner back"


def test_a_device_that_was_a_users_is_given_back_to_him(namespace: Throwaway, state_dir: Path) -> None:
    namespace.sh(f"ip tuntap add dev llp0 mode tun vnet_hdr user {ORDINARY} group {ORDINARY}")
    namespace.run(apply_profile, profile(), state_dir)
    assert refused_to_everybody(namespace)
    namespace.run(rollback, state_dir)
    assert f"user {ORDINARY} group {ORDINARY}" in namespace.sh("ip -d link show dev llp0")
    with somebody(namespace, ONE_QUEUE) as refusal:
        assert refusal == 0


def test_a_device_that_somebody_has_open_is_not_taken_over(namespace: Throwaway, state_dir: Path) -> None:
    namespace.sh("ip tuntap add dev llp0 mode tun vnet_hdr multi_queue")
    with somebody(namespace, SEVERAL) as refusal:
        assert refusal == 0
        with pytest.raises(PlanError, match="another program has it open"):
            namespace.run(apply_profile, profile(workers=2), state_dir)
        with pytest.raises(HostError, match="before it belonged to root"):  # who came between the look and the deed
            namespace.run(owned)


async def owned() -> None:
    async with Netlink() as netlink:
        await perform(Action("tun.own", {"name": "llp0", "owner": 0}), netlink)
