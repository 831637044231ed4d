"""An API server at an address of the network: TLS or nothing, by the whole chain of daemon, process and client."""

from __future__ import annotations

import json
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns.daemons import Host
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

SECTION = 'management: {listen: ["127.0.0.1:8470", "192.0.2.1:8470"]}'


@pytest.fixture
def node(namespace: Throwaway) -> Iterator[Host]:
    with tempfile.TemporaryDirectory(prefix="appliance-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        namespace.sh("ip link set lo up && ip addr add 192.0.2.1/32 dev lo")
        host = Host(namespace, folder, 1)
        host.write(Host(namespace, folder, 2), more=SECTION)
        host.start()
        try:
            host.hear("the API server is ready")
            host.hear("a certificate is in use")
            yield host
        finally:
            host.stop()


def curl(node: Host, *words: str) -> str:
    """What it prints, and its exit code in the last line."""
    command = shlex.join(["curl", "-s", "--max-time", "60", *words])
    return node.namespace.sh(f"{command}; code=$?; echo; echo $code").strip()


def test_the_network_gets_tls_by_a_pinned_key_or_nothing(node: Host) -> None:
    told = node.status()["management"]
    assert told["plain"] == []
    assert curl(node, "http://127.0.0.1:8470/health").startswith('{"status":"ok"}')
    assert curl(node, "http://192.0.2.1:8470/health") in {"52", "56"}  # no answer
    assert health(node, told["certificate"]["pin"]).startswith('{"status":"ok"}')
    assert health(node, told["certificate"]["backup"]) == "90"  # another key
    rotated = curl(node, "--unix-socket", told["socket"], "-X", "POST", "http://node/api/v1/server/certificate/rotate")
    assert json.loads(rotated.splitlines()[0])["pin"] == told["certificate"]["backup"]
    assert health(node, told["certificate"]["backup"]).startswith('{"status":"ok"}')
    assert node.status()["management"]["certificate"]["pin"] == told["certificate"]["backup"]


def health(node: Host, pin: str) -> str:
    pinned = pin.replace("sha256/", "sha256//")
    return curl(node, "--insecure", "--pinnedpubkey", pinned, "https://192.0.2.1:8470/health")
