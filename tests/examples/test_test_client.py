"""The test client as a process of its own against a real node behind a real socket; what it prints is golden."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.api.values import Endpoint
from appliance.protocol.settings import NodeSettings, PeerSettings
from appliance.testing.network import Network
from appliance.testing.pair import identity_of
from appliance.testing.simulated_host import SimulatedHost
from appliance.wire.envelope import HEADER_BYTES, LENGTH_AT

CLIENT = Path(__file__).parents[2] / "examples/test_client.py"
GOLDEN = """\
Client identity: {client}
Connected to 127.0.0.1:{port}
Starting handshake
ClientHello sent: # bytes
ServerHello received: # bytes
Server identity: {server}
Session ID: UUID
Suite: aes-256-gcm, post-quantum: yes
Keepalive 1/5 acknowledged in # ms
Keepalive 2/5 acknowledged in # ms
Keepalive 3/5 acknowledged in # ms
Keepalive 4/5 acknowledged in # ms
Keepalive 5/5 acknowledged in # ms
Disconnected
Test completed
"""
UUID_4 = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


class SocketEnd:
    """A real stream in the place of a simulated one."""

    receive: Callable[[bytes], None]
    closed: Callable[[], None]

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream

    def send(self, packet: bytes) -> None:
        self._stream.sendall(packet)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.shutdown(socket.SHUT_RDWR)

    def run(self) -> None:
        """Pass on packets until the far end closes."""
        data = bytearray()
        while more := self._stream.recv(65536):
            data += more
            while len(data) >= HEADER_BYTES:
                end = HEADER_BYTES + int.from_bytes(data[LENGTH_AT : LENGTH_AT + 2], "big")
                if len(data) < end:
                    break
                self.receive(bytes(data[:end]))
                del data[:end]
        self.closed()


@dataclass
class Served:
    port: int
    host: SimulatedHost
    thread: threading.Thread


@pytest.fixture
def served() -> Iterator[Served]:
    """A node that knows the client "a", on a port of this machine, for one connection."""
    known = PeerSettings("a", identity_of("a").fingerprint)
    host = SimulatedHost(Network(), "127.0.0.1", NodeSettings(), identity_of("b"), peers=(known,))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        port = listener.getsockname()[1]

        def serve() -> None:
            try:
                stream, source = listener.accept()
            except OSError:
                return
            with stream:
                stream.settimeout(30)
                end = SocketEnd(stream)
                host._accept(Endpoint("tcp", "127.0.0.1", port), end, source)  # type: ignore[arg-type]
                with contextlib.suppress(ConnectionError):
                    end.run()

        thread = threading.Thread(target=serve)
        thread.start()
        yield Served(port, host, thread)
        with socket.create_connection(("127.0.0.1", port), 1) if thread.is_alive() else socket.socket():
            pass
        thread.join(30)


def run(port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(CLIENT), "--host", "127.0.0.1", "--port", str(port), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def identity(tmp_path: Path) -> str:
    path = tmp_path / "client.pem"
    path.write_bytes(identity_of("a").to_pem())
    return str(path)


@pytest.mark.parametrize("pinned", [True, False])
def test_it_prints_what_happens(served: Served, identity: str, pinned: bool) -> None:
    server = identity_of("b").fingerprint
    done = run(served.port, "--keepalive", "5", "--identity", identity, *(["--peer", server] if pinned else []))
    assert done.returncode == 0, done.stderr
    text = re.sub(UUID_4, "UUID", re.sub(r"[\d.]+ (bytes|ms)\b", r"# \1", done.stdout))
    assert text == GOLDEN.format(client=identity_of("a").fingerprint, server=server, port=served.port)
    served.thread.join(10)
    assert served.host.node.counters["completed"] == 1
    assert served.host.node.counters["closed-disconnected"] == 1


def test_another_identity_than_the_expected_is_refused(served: Served, identity: str) -> None:
    done = run(served.port, "--identity", identity, "--peer", identity_of("c").fingerprint)
    assert done.returncode == 1
    assert "wrong-identity" in done.stderr


def test_nobody_there_is_a_sentence(identity: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    done = run(port, "--identity", identity)
    assert done.returncode == 1
    assert done.stderr.startswith("Failed: ")
    assert "Traceback" not in done.stderr
