"""Two members of a network, each with a signalling server: peers of one are found and reached from the other."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.netns.daemons import Host
from tests.netns.test_management import ask
from tests.netns.test_mesh import Owner, wired, write
from tests.netns.test_signalling import SDP, URL, hear, say

pytestmark = pytest.mark.netns

__all__ = ["wired"]
MORE = "plugins: [transport-ip, crypto-standard, routing-static, server-signalling]\nmanagement: {servers: {signalling: {}}}"


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Where the API server's user may enter."""
    with tempfile.TemporaryDirectory(prefix="appliance-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def joined(stack: ExitStack, host: Host, name: str) -> ClientConnection:
    """A peer at the server of that host."""
    peer: ClientConnection = host.namespace.run(lambda: stack.enter_context(connect(URL)))
    say(peer, type="register", id=name)
    assert hear(peer)["type"] == "registered"
    return peer


def test_a_peer_at_another_member_is_found_by_its_id_and_reached(wired: tuple[Host, Host, Host]) -> None:
    first, second, _ = wired
    owner = Owner()
    for host, bootstrap in ((first, None), (second, first)):
        owner.hand(host, owner.certificate(host).encoded)
        write(host, owner, bootstrap, MORE)
        host.start()
        host.hear("the API server is ready")
    with ExitStack() as stack:
        alice, bob = joined(stack, first, "alice"), joined(stack, second, "bob")
        until = time.monotonic() + 120
        while ask(first, "/api/v1/dht/providers/signalling:bob")[0] != 200:  # until the members have met, and he is announced
            assert time.monotonic() < until, (first.status(), second.status())
        say(alice, type="discover", id="bob")
        assert hear(alice) == {"type": "peers", "peers": ["bob"]}
        say(alice, type="offer", to="bob", sdp=SDP)
        assert hear(bob) == {"type": "offer", "from": "alice", "sdp": SDP}
        say(bob, type="answer", to="alice", sdp=SDP)
        assert hear(alice) == {"type": "answer", "from": "bob", "sdp": SDP}
        say(alice, type="offer", to="nobody", sdp=SDP)
        assert hear(alice)["code"] == "unknown_peer"
        told = ask(first, "/api/peers")[1]
        assert told["signaling"]["dhtNodes"] == told["dht"]["totalNodes"] == 1
