"""gRPC of a real node: the API server's process has the library where the profile asks for it, and opens the port."""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns.daemons import Host
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

CLIENT = """
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
with grpc.insecure_channel("127.0.0.1:8472") as channel:
    check = health_pb2_grpc.HealthStub(channel).Check
    print(check(health_pb2.HealthCheckRequest(), timeout=60, wait_for_ready=True).status)
    try:
        channel.unary_unary("/appliance.v1.NodeService/Status")(b"", timeout=60)
    except grpc.RpcError as error:
        print(dict(error.trailing_metadata())["problem-bin"].decode())
"""


@pytest.fixture
def node(namespace: Throwaway) -> Iterator[Host]:
    """In a folder that the API server's user may enter, as /var/lib is one."""
    with tempfile.TemporaryDirectory(prefix="appliance-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        namespace.sh("ip link set lo up")
        host = Host(namespace, folder, 1)
        host.write(Host(namespace, folder, 2), more='management: {grpc: ["127.0.0.1:8472", "192.0.2.9:8472"]}')
        host.start()
        try:
            host.hear("the API server is ready")
            yield host
        finally:
            host.stop()


def test_it_is_answered_beside_http_and_asks_for_a_token(node: Host) -> None:
    well, problem = node.namespace.sh(shlex.join([sys.executable, "-c", CLIENT])).splitlines()
    assert well == "1"
    assert json.loads(problem)["code"] == "Unauthenticated"
    assert node.namespace.sh("curl -s http://127.0.0.1:8470/health") == '{"status":"ok"}'


def test_where_it_is_spoken_and_where_it_cannot_be_is_told(node: Host) -> None:
    assert node.status()["management"]["grpc"] == ["127.0.0.1:8472", "192.0.2.9:8472"]
    while "192.0.2.9:8472" not in node.status()["problems"].get("management.grpc", ""):
        time.sleep(0.2)  # it is said every few seconds
    assert "management.grpc: it is not spoken at 192.0.2.9:8472" in node.command("doctor").stdout
