"""WebRTC signalling by a real node: peers meet in the API server's process, at a port that the node opened."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.netns.daemons import Host
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

URL = "ws://127.0.0.1:3001/p2p-signaling"
SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"


@contextmanager
def signalling(namespace: Throwaway, settings: str = "{}") -> Iterator[Host]:
    """A node with a signalling server."""
    with tempfile.TemporaryDirectory(prefix="appliance-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        host, other = Host(namespace, folder, 1), Host(namespace, folder, 2)
        host.write(other, plugins="server-signalling", more=f"management: {{servers: {{signalling: {settings}}}}}")
        host.start()
        try:
            host.hear("the API server is ready")
            yield host
        finally:
            if host.process is not None:
                host.stop()


@pytest.fixture
def node(namespace: Throwaway) -> Iterator[Host]:
    with signalling(namespace) as host:
        yield host


def say(peer: ClientConnection, **message: Any) -> None:
    peer.send(json.dumps(message))


def hear(peer: ClientConnection) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(peer.recv(timeout=60))
    return told


@contextmanager
def registered(name: str) -> Iterator[ClientConnection]:
    with connect(URL) as peer:
        say(peer, type="register", id=name)
        assert hear(peer) == {"type": "registered", "id": name}
        yield peer


def test_two_peers_exchange_what_a_connection_needs_and_are_told_when_the_node_ends(node: Host) -> None:
    def story() -> None:
        with registered("alice") as alice, registered("bob") as bob:
            say(alice, type="discover")
            assert hear(alice) == {"type": "peers", "peers": ["bob"]}
            say(alice, type="offer", to="bob", sdp=SDP, session="1")
            assert hear(bob) == {"type": "offer", "from": "alice", "sdp": SDP, "session": "1"}
            say(bob, type="answer", to="alice", sdp=SDP)
            assert hear(alice) == {"type": "answer", "from": "bob", "sdp": SDP}
            candidate = {"candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host", "sdpMid": "0", "sdpMLineIndex": 0}
            say(bob, type="candidate", to="alice", candidate=candidate)
            assert hear(alice) == {"type": "candidate", "from": "bob", "candidate": candidate}
            node.stop()
            for peer in (alice, bob):
                with pytest.raises(ConnectionClosed) as ended:
                    peer.recv(timeout=60)
                assert ended.value.rcvd is not None
                assert ended.value.rcvd.code == 1001

    node.namespace.run(story)
