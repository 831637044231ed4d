"""A host that is as the profile says already: the node takes it over, and leaves what was there before it."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cli
from tests.cli.test_running import PROFILE, running
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns


@pytest.fixture
def prepared(host: Cli) -> Cli:
    """A host with a profile and its key."""
    host("keys", "new", "identity")
    host.profile(PROFILE)
    return host


def starts_and_leaves_all_as_it_was(host: Cli, namespace: Throwaway) -> None:
    before = seen(namespace)
    assert host("plan", "profile.yaml").code == 0
    with running(host, "profile.yaml") as daemon:
        assert host("status", "--json").document["worker"]["pid"] > 0
        daemon.send_signal(signal.SIGTERM)
        _, err = daemon.communicate(timeout=60)
        assert daemon.returncode == 0, err
    assert seen(namespace) == before


def seen(namespace: Throwaway) -> dict[str, Any]:
    """What was there, without what the kernel adds when a device has its first carrier."""
    everything = namespace.snapshot()
    routes = sorted(str(route["dst"]) for route in everything.pop("routes") if route.get("table") is None)
    del everything["routes6"]
    return everything | {"routes": routes}


def test_a_device_made_by_hand(prepared: Cli, namespace: Throwaway) -> None:
    namespace.sh("ip tuntap add llp0 mode tun vnet_hdr; ip link set llp0 mtu 1400 addrgenmode none gso_max_size 65535")
    prepared("apply", "profile.yaml")  # whatever else the profile asks for
    shutil.copytree(next(iter(states(namespace))), prepared.directory / "away")
    shutil.rmtree(next(iter(states(namespace))))
    starts_and_leaves_all_as_it_was(prepared, namespace)


def test_what_a_killed_node_left_without_its_journal(prepared: Cli, namespace: Throwaway) -> None:
    daemon = prepared.start("run", "profile.yaml")
    while (status := prepared("status", "--json")).code == 7 or not status.document.get("ready"):
        assert daemon.poll() is None
    namespace.sh("until ip -6 addr show dev llp0 scope link | grep -q fe80; do :; done")  # the kernel adds it in its own time
    for pid in (daemon.pid, *status.document["worker"]["pids"]):
        os.kill(pid, signal.SIGKILL)
    daemon.communicate()
    for state in states(namespace):
        shutil.rmtree(state)
    starts_and_leaves_all_as_it_was(prepared, namespace)


def states(namespace: Throwaway) -> list[Path]:
    """The state directories of this namespace."""
    from appliance.linux.machine import netns_cookie

    return list(Path("/run/appliance").glob(f"netns-{namespace.run(netns_cookie)}"))
