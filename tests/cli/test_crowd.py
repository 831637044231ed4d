"""More than a thousand clients at once, each with a TCP connection, an identity and a session of its own."""

from __future__ import annotations

import contextlib
import io
import runpy
import socket
from pathlib import Path
from typing import Any

import pytest

from appliance.protocol.identity import Identity
from tests.cli.conftest import Cli
from tests.cli.test_running import running
from tests.netns.throwaway import Throwaway

pytestmark = [pytest.mark.netns, pytest.mark.timeout(240)]

CLIENT = runpy.run_path(str(Path(__file__).parents[2] / "examples/test_client.py"))
CLIENTS = 1001
PROFILE = """\
profile: 1
server: {identity: file:identity, listen: ["tcp://127.0.0.1:8443"]}
network: {addresses: [10.8.0.1/16]}
logging: {level: warn}  # nobody reads the log here
limits: {sessions: 2000, handshakes_per_second: 10000, idle: 10min}  # the first waits for the last
plugins: [transport-ip, crypto-standard, routing-static]
peers:
"""


def test_a_thousand_connections_at_once(host: Cli, namespace: Throwaway) -> None:
    identities = [Identity.generate() for _ in range(CLIENTS)]
    peers = [
        f"- {{name: c{number}, identity: {identity.fingerprint}, allowed: [10.8.{1 + number // 250}.{number % 250}/32]}}\n"
        for number, identity in enumerate(identities)
    ]
    host("keys", "new", "identity")
    host.profile(PROFILE + "".join(peers))
    with running(host, "profile.yaml"):
        streams: list[socket.socket] = []
        try:
            sessions = namespace.run(connect, identities, streams)
            # all of them are still served when the last has come
            for token, session in enumerate(sessions):
                session.keep_alive(token)
            assert len(host("status", "--json").document["sessions"]) == CLIENTS
        finally:
            for stream in streams:
                stream.close()


def connect(identities: list[Identity], streams: list[socket.socket]) -> list[Any]:
    """A session each, one after the other."""
    sessions = []
    for identity in identities:
        stream = socket.create_connection(("127.0.0.1", 8443), 10)
        streams.append(stream)
        with contextlib.redirect_stdout(io.StringIO()):
            sessions.append(CLIENT["handshake"](stream, identity, None))
    return sessions
