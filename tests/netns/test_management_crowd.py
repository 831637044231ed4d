"""Crowds at the API server: streams that are open when it ends, readers that never read, and strangers that say nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.netns.daemons import Host
from tests.netns.test_management import READY, ask, posted
from tests.netns.throwaway import Throwaway
from tests.rigs.postgresql import cluster

pytestmark = pytest.mark.netns

PATIENCE = 60.0
USERS = 4
EACH = 25
"""WebSockets of a user, and as many server-sent streams."""
STREAMS = 20
"""Over gRPC."""
CLIENT = f"""
import sys, threading, grpc
from google.protobuf import message_factory
from appliance.api_server.grpc.descriptors import FILE, committed, pool_of
services = pool_of(committed()).FindFileByName(FILE).services_by_name.values()
service = next(each for each in services if "EventsFollow" in each.methods_by_name)
method = service.methods_by_name["EventsFollow"]
asked, item = map(message_factory.GetMessageClass, (method.input_type, method.output_type))
channel = grpc.insecure_channel("127.0.0.1:8472")
follow = channel.unary_stream(f"/{{service.full_name}}/EventsFollow", asked.SerializeToString, item.FromString)
known = (("authorization", f"Bearer {{sys.argv[1]}}"),)
streams = [follow(asked(after="0"), metadata=known, wait_for_ready=True) for _ in range({STREAMS})]
for stream in streams:
    next(stream)
print("begun", flush=True)
def end(stream):
    try:
        for _ in stream:
            pass
    except grpc.RpcError as error:
        return
threads = [threading.Thread(target=end, args=(stream,)) for stream in streams]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("ended", flush=True)
"""


@pytest.fixture(params=["file", pytest.param("postgresql", marks=pytest.mark.slow)])
def node(namespace: Throwaway, request: pytest.FixtureRequest) -> Iterator[Host]:
    with tempfile.TemporaryDirectory(prefix="appliance-") as name, ExitStack() as stack:
        folder, store = Path(name), ""
        if request.param == "postgresql":
            database = stack.enter_context(cluster())
            store = f", store: {{postgresql: {{host: {database.folder}, user: owner, database: postgres}}}}"
        folder.chmod(0o755)
        namespace.sh("ip link set lo up && ip addr add 192.0.2.1/32 dev lo")
        host = Host(namespace, folder, 1)
        doors = 'listen: ["127.0.0.1:8470", "192.0.2.1:8470"], grpc: ["127.0.0.1:8472"]'
        section = f"management: {{{doors}, limits: {{requests: 0, per_address: 600}}{store}}}"
        host.write(Host(namespace, folder, 2), plugins="store-postgresql" if store else "", more=section)
        host.start()
        try:
            host.hear(READY)
            host.hear("a certificate is in use")
            yield host
        finally:
            host.stop()


def tokens(node: Host) -> list[str]:
    """One of each of some users."""
    found = []
    for number in range(USERS):
        password = "correct horse battery"
        assert posted(node, (), "/api/v1/users", name=f"user{number}", password=password, roles=["admin"])[0] == 201
        _, made = posted(
            node, (), "/api/v1/tokens", user=f"user{number}", name="streams",
            scopes=["node.read", "jobs.read", "events.broadcast", "server.read"],
        )  # fmt: skip
        found.append(made["token"])
    return found


def connected(request: str, port: int = 8470) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), PATIENCE)
    made.sendall(request.encode())
    return made


def head_of(made: socket.socket) -> bytes:
    said = b""
    while b"\r\n\r\n" not in said:
        more = made.recv(1)
        assert more, said
        said += more
    return said


UPGRADE = (
    b"GET /api/v1/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


def websocket(token: str) -> socket.socket:
    """One that follows all events from the beginning, and has read no more than that it may."""
    made = connected(f"{UPGRADE.decode()}Authorization: Bearer {token}\r\n\r\n")
    assert b" 101 " in head_of(made)
    made.sendall(frame({"type": "subscribe", "id": 1, "topics": ["events"], "after": 0}))
    return made


def frame(message: Any) -> bytes:
    """A text of a client: masked, with a mask that changes nothing (RFC 6455, 5.2)."""
    text = json.dumps(message).encode()
    size = bytes([0x80 | len(text)]) if len(text) < 126 else bytes([0x80 | 126, *len(text).to_bytes(2, "big")])
    return b"\x81" + size + bytes(4) + text


def event_stream(token: str) -> socket.socket:
    made = connected(f"GET /api/v1/events?after=0 HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n")
    assert b" 200 " in head_of(made)
    return made


def to_the_end(made: socket.socket) -> None:
    with suppress(ConnectionError):
        while made.recv(1 << 16):
            pass


def test_two_hundred_open_streams_and_those_of_grpc_keep_nobody_from_ending(node: Host) -> None:
    known = tokens(node)
    client = subprocess.Popen([*node.entering, sys.executable, "-c", CLIENT, known[0]], stdout=subprocess.PIPE, text=True)
    assert client.stdout is not None
    pid = node.status()["management"]["pid"]

    def followed() -> int:
        with ExitStack() as stack:
            streams = [
                stack.enter_context(make(token)) for token in known for make in (websocket, event_stream) for _ in range(EACH)
            ]
            assert client.stdout is not None
            assert client.stdout.readline() == "begun\n"
            os.kill(pid, signal.SIGTERM)
            for each in streams:
                to_the_end(each)
            return len(streams)

    assert node.namespace.run(followed) == 2 * USERS * EACH
    assert client.stdout.readline() == "ended\n"
    assert client.wait(PATIENCE) == 0
    node.hear(READY, times=2)
    (ended,) = node.logged("the API server ended")
    assert ended["how"] == "with exit code 0", "by itself, not by a signal"


@pytest.mark.slow  # tests/unit/api_server/jobs/test_event_log.py has the short form
def test_a_hundred_readers_that_never_read_cost_flat_memory_and_nobody_waits_for_them(node: Host) -> None:
    known = tokens(node)

    def memory() -> int:
        return int(ask(node, "/api/v1/server")[1]["memory"])

    def flooded() -> tuple[int, int]:
        with ExitStack() as stack:
            for token in known:
                for make in (websocket, event_stream):
                    for _ in range(EACH // 2 + 1):
                        stack.enter_context(make(token))
            before = memory()
            for token in known:  # as much as one may say at once, and each hears it: 110 MB in all
                speaker = stack.enter_context(websocket(token))
                for number in range(40):
                    speaker.sendall(frame({"type": "broadcast", "id": number + 2, "data": {"text": "x" * 7_000}}))
            newest = stack.enter_context(event_stream(known[0]))
            heard = b""
            while heard.count(b"event: events.broadcast") < USERS * 40:
                heard += newest.recv(1 << 16)
            return before, memory()

    before, after = node.namespace.run(flooded)
    assert after - before < 50 << 20


SILENT = 500
HALF = {
    "HTTP, a line that does not end": ("127.0.0.1", 8470, b"GET /api/v1/status HT"),
    "HTTP, a field that does not end": ("127.0.0.1", 8470, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: b"),
    "HTTP, a body that does not come": (
        "127.0.0.1", 8470, b"POST /api/v1/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\n\r\n{",
    ),
    "a WebSocket that says nobody's name": (
        "127.0.0.1", 8470,
        UPGRADE + b"\r\n\x81",
    ),
    "TLS, a hello that does not end": ("192.0.2.1", 8470, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    "gRPC, a preface that does not end": ("127.0.0.1", 8472, b"PRI * HTTP/2.0\r\n"),
}  # fmt: skip
HONEST = """
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
with grpc.insecure_channel("127.0.0.1:8472") as channel:
    health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=60, wait_for_ready=True)
"""


def test_five_hundred_that_do_not_go_on_keep_no_honest_caller_out(node: Host) -> None:
    (token, *_) = tokens(node)

    def served(address: str, port: int, said: bytes) -> None:
        with ExitStack() as stack:
            for _ in range(SILENT):
                made = stack.enter_context(socket.create_connection((address, port), PATIENCE))
                with suppress(ConnectionError):
                    made.sendall(said)
            assert b" 200 " in head_of(stack.enter_context(status(token)))
            if (address, port) == ("127.0.0.1", 8470):
                return
            tls = ["curl", "-s", "--insecure", "--max-time", "60", "https://192.0.2.1:8470/health"]
            assert subprocess.run(tls, check=True, capture_output=True).stdout == b'{"status":"ok"}'
            subprocess.run([sys.executable, "-c", HONEST], check=True, timeout=120)

    for half in HALF.values():
        node.namespace.run(served, *half)


def status(token: str) -> socket.socket:
    return connected(f"GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n")
