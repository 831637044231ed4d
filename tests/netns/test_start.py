"""What a node has loaded when it runs, seen from outside: what a start needs once is gone with it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.netns.daemons import Host

pytestmark = pytest.mark.netns

UNMEASURED = {"COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": ""}
"""A measurement of coverage would load more than the product."""
SELDOM = ("_ssl.", "_hashlib.", "libcrypto", "libssl")


@pytest.mark.parametrize("endpoint", ["udp://192.0.2.1:8443", "tcp://192.0.2.1:8443"])
def test_a_node_has_one_openssl_also_after_a_reload(hosts: tuple[Host, Host], endpoint: str) -> None:
    first, second = hosts
    second.write(first, endpoints=f'"{endpoint}"')
    for host in hosts:
        host.start(**UNMEASURED)
    assert second.pings("10.8.0.1")
    for host in hosts:
        assert host.process is not None
        assert mapped(host.process.pid, *SELDOM) == []
        assert mapped(host.status()["worker"]["pid"], *SELDOM, "_pydantic_core") == []
        host.process.send_signal(signal.SIGHUP)
        host.hear("profile reloaded")
        assert mapped(host.process.pid, *SELDOM) == []


def mapped(pid: int, *names: str) -> list[str]:
    """Files in a process's memory with one of these words in their names."""
    files = {line.split(maxsplit=5)[5] for line in Path(f"/proc/{pid}/maps").read_text().splitlines() if "/" in line}
    return sorted(file for file in files if any(word in Path(file).name for word in names))
