from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns.daemons import Host
from tests.netns.throwaway import Throwaway


@pytest.fixture
def namespace() -> Iterator[Throwaway]:
    """An empty network namespace with its loopback up."""
    with Throwaway() as made:
        yield made


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """Where the journal goes; not made yet."""
    return tmp_path / "state"


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
