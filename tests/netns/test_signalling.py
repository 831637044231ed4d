"""WebRTC signalling by a real node: peers meet in the API server's process, at a port that the node opened."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect as connected
from websockets.exceptions import ConnectionClosed, InvalidMessage
from websockets.sync.client import ClientConnection, connect

from tests.netns.browser import Browser
from tests.netns.daemons import Host
from tests.netns.test_management import ask, eventually
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

URL = "ws://127.0.0.1:3001/p2p-signaling"
SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"


@contextmanager
def signalling(namespace: Throwaway, settings: str = "{}", more: str = "") -> Iterator[Host]:
    """A node with a signalling server; `more` of its profile."""
    with tempfile.TemporaryDirectory(prefix="appliance-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        host, other = Host(namespace, folder, 1), Host(namespace, folder, 2)
        host.write(other, plugins="server-signalling", more=f"management: {{servers: {{signalling: {settings}}}}}\n{more}")
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
    with connect(URL, open_timeout=60) as peer:  # the API server may just begin
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


def test_the_short_paths_tell_of_it_and_a_port_that_somebody_has_is_told_and_tried_again(namespace: Throwaway) -> None:
    taken = namespace.run(socket.create_server, ("127.0.0.1", 3001))
    with signalling(namespace) as node:
        status, health = ask(node, "/api/health")
        assert (status, health["components"]["signaling"]["status"]) == (503, "unwell")
        assert ask(node, "/api/peers")[1]["signaling"]["connections"] == 0
        assert "cannot listen" in node.command("health", "--json").stdout
        taken.close()
        node.hear("the API server is ready", 2)

        def story() -> None:
            with registered("alice"), registered("bob"), connect(URL, open_timeout=60):
                told = ask(node, "/api/peers")[1]["signaling"]
                assert (told["connections"], told["peers"], told["connectedPeers"]) == (3, 2, 2)
                health = ask(node, "/api/health")[1]
                assert health["components"]["signaling"] == {"status": "ok", "detail": "2 peers"}

        node.namespace.run(story)


def test_while_the_api_server_is_short_of_something_it_lets_nobody_in(namespace: Throwaway) -> None:
    with signalling(namespace, more="limits: {pressure: {late: 0.01ms}}") as node:  # any event loop is as late

        def story() -> None:
            eventually(node.status, lambda found: "cpu" in found["management"]["short"])
            with socket.create_connection(("127.0.0.1", 3001), 60) as connection:
                assert connection.recv(1) == b""
            eventually(lambda: node.command("status", "--json").stdout, lambda told: '"refused short-cpu":' in told)

        node.namespace.run(story)


def test_who_was_connected_comes_back_to_the_same_port_after_the_process_was_killed(node: Host) -> None:
    def story() -> None:
        with registered("alice") as alice:
            os.kill(node.status()["management"]["pid"], signal.SIGKILL)
            with pytest.raises(ConnectionClosed):
                alice.recv(timeout=60)
        with registered("alice"):  # it waits in the socket, which the node kept
            pass

    node.namespace.run(story)


def test_elsewhere_than_at_loopback_it_speaks_tls_with_the_certificate_of_the_api_server(namespace: Throwaway) -> None:
    namespace.sh("ip addr add 192.0.2.1/32 dev lo")
    with signalling(namespace, '{listen: ["192.0.2.1:3001"]}') as node:
        node.hear("a certificate is in use")

        def story() -> str:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with connect(URL.replace("ws://127.0.0.1", "wss://192.0.2.1"), ssl=context) as peer:
                say(peer, type="register", id="alice")
                assert hear(peer)["type"] == "registered"
                certificate = peer.socket.getpeercert(binary_form=True)
            context = ssl.create_default_context(cadata=certificate)
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            with connect(URL.replace("ws://127.0.0.1", "wss://192.0.2.1"), ssl=context):  # the address stands in it
                pass
            with pytest.raises(InvalidMessage):
                connect(URL.replace("127.0.0.1", "192.0.2.1"), open_timeout=60)
            return "well"

        assert node.namespace.run(story) == "well"


async def caller(answered: asyncio.Future[str]) -> None:
    """Alice calls bob, and hears what he says over the data channel."""
    from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription  # a second, for this test alone

    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    channel = peer.createDataChannel("chat")
    channel.on("open", lambda: channel.send("hello bob"))
    channel.on("message", answered.set_result)
    async with connected(URL) as server:
        await server.send(json.dumps({"type": "register", "id": "alice"}))
        await server.recv()
        await peer.setLocalDescription(await peer.createOffer())
        await server.send(json.dumps({"type": "offer", "to": "bob", "sdp": peer.localDescription.sdp}))
        told = json.loads(await server.recv())
        await peer.setRemoteDescription(RTCSessionDescription(told["sdp"], told["type"]))
    assert await answered == "hello alice", "and the server is not needed any more"
    await peer.close()


async def callee(ready: asyncio.Event, answered: asyncio.Future[str]) -> None:
    from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))

    def use(channel: Any) -> None:
        channel.on("message", lambda text: channel.send(text.replace("bob", "alice")))

    peer.on("datachannel", use)
    async with connected(URL) as server:
        await server.send(json.dumps({"type": "register", "id": "bob"}))
        await server.recv()
        ready.set()
        told = json.loads(await server.recv())
        await peer.setRemoteDescription(RTCSessionDescription(told["sdp"], told["type"]))
        await peer.setLocalDescription(await peer.createAnswer())
        await server.send(json.dumps({"type": "answer", "to": told["from"], "sdp": peer.localDescription.sdp}))
    await asyncio.shield(answered)
    await peer.close()


def test_two_programs_of_a_foreign_library_open_a_data_channel(node: Host) -> None:
    async def story() -> None:
        ready, answered = asyncio.Event(), asyncio.get_running_loop().create_future()
        async with asyncio.timeout(60), asyncio.TaskGroup() as group:
            group.create_task(callee(ready, answered))
            await ready.wait()
            group.create_task(caller(answered))

    node.namespace.run(story)


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium: packaging/setup.sh")
def test_two_tabs_of_a_browser_open_a_data_channel_by_the_page_that_is_served(namespace: Throwaway) -> None:
    page = "http://127.0.0.1:3001/"
    namespace.sh("ip link add wire type veth peer name other; ip link set wire up; ip link set other up")
    namespace.sh("ip addr add 192.0.2.1/24 dev wire; ip route add default via 192.0.2.2")  # what a browser takes for its address
    with (
        signalling(namespace, "{page: true}") as node,
        Browser(node.entering, "--disable-features=WebRtcHideLocalIpsWithMdns") as browser,  # nobody answers mDNS there
    ):
        browser.call("Page.navigate", url=page)
        ready = "document.getElementById('state')?.textContent === 'ready'"
        browser.wait(ready)
        first, second = browser.duplicate()
        browser.wait(ready)
        callee = browser.run("document.getElementById('own').textContent")
        browser.turn(first)
        browser.run(f"document.getElementById('other').value = {json.dumps(callee)}")
        browser.run("document.querySelector('#call button').click()")
        browser.wait("document.getElementById('log').textContent.includes('connected to')")
        browser.run("document.getElementById('text').value = 'hello from the first'")
        browser.run("document.querySelector('#chat button').click()")
        browser.turn(second)
        browser.wait("document.getElementById('log').textContent.includes('hello from the first')")
        assert browser.complaints == []
