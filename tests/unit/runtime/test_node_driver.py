"""Two drivers with real nodes, their workers and transports replaced by a wire: what the node wants is done, in order."""

from __future__ import annotations

import asyncio
import logging as standard
import os
import socket
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.api import events
from appliance.api.transport import Adopted, SocketAddress, TransportKind
from appliance.api.values import Endpoint
from appliance.errors import HostError
from appliance.foundation import clock, logging
from appliance.protocol.node import Node
from appliance.protocol.settings import NodeSettings, PeerSettings
from appliance.runtime.links.table import Link, Links
from appliance.runtime.node.driver import NodeDriver
from appliance.runtime.node_view import NodeView
from appliance.runtime.peers.known_paths import KnownPath
from appliance.runtime.plugins.calls import PluginCalls
from appliance.runtime.workers.telling import SessionKeys
from appliance.testing.pair import identity_of
from appliance.testing.simulated_host import SUITES
from appliance.wire.envelope import PacketType, pack

UDP = TransportKind("udp", None, lambda _settings, _services: None, datagram=True, driver="x:Udp")  # type: ignore[arg-type, return-value]
ADDRESSES: dict[str, SocketAddress] = {"a": ("198.51.100.1", 40000), "b": ("203.0.113.2", 8443)}
LISTEN = Endpoint("udp", "0.0.0.0", 8443)
SPOKEN_TO = "203.0.113.2"
OTHER_VERSION = pack(PacketType.HANDSHAKE_INIT, 0, 0, 0, 0, 9) + b"\x02" + bytes(8)
SECONDS = 60.0


class Side:
    """One node with its driver; as worker and transports it has a wire to the other side."""

    def __init__(self, name: str, peer: str, *, calls: bool) -> None:
        self.name = name
        self.far: Side
        self.full = False
        self.turned_away = asyncio.Event()
        self.connects_peers = False
        self.sessions: dict[int, tuple[SessionKeys, bool]] = {}
        self.told: asyncio.Queue[Any] = asyncio.Queue()
        self.remembered: asyncio.Queue[tuple[str, KnownPath | None]] = asyncio.Queue()
        self.sent: asyncio.Queue[tuple[int, SocketAddress | None]] = asyncio.Queue()
        self.connects: asyncio.Queue[tuple[int, SocketAddress, str | None]] = asyncio.Queue()
        self.links = Links()
        self.links.use_worker(self)
        endpoints = (Endpoint("udp", *ADDRESSES[peer]),) if calls else ()
        peers = (PeerSettings(peer, identity_of(peer).fingerprint, endpoints),)
        now = clock.monotonic()
        node = Node(NodeSettings(), identity_of(name), SUITES, now=now, entropy=os.urandom, peers=peers, deferring=True)
        worker: Any = self
        self.driver = NodeDriver(
            node,
            self.links,
            lambda: worker,
            rotate_bytes=1 << 20,
            connected=lambda: None,
            remember=lambda peer, path: self.remembered.put_nowait((peer, path)),
        )
        self.driver.transports = worker
        self.driver.subscribers.append(self.told.put_nowait)

    # ---- as transports ----

    def dial(self, peer: str, endpoint: Endpoint) -> None:
        asyncio.get_running_loop().call_soon(self._dialled, peer, endpoint)

    def _dialled(self, peer: str, endpoint: Endpoint) -> None:
        self.driver.on_link(self.adopt(Endpoint("udp", *ADDRESSES[self.name]), endpoint), peer)

    async def connect(self, listener: Link, source: SocketAddress, spoken_to: str | None) -> Link | None:
        self.connects.put_nowait((listener.number, source, spoken_to))
        if not self.connects_peers:
            return None
        return self.adopt(listener.local._replace(host=spoken_to or listener.local.host), Endpoint("udp", *source))

    def adopt(self, local: Endpoint, remote: Endpoint | None) -> Link:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        return self.links.add(UDP, Adopted(sock, local, remote, listener=remote is None, driver_options={}))

    # ---- as worker ----

    def add_link(
        self, link: int, sock: socket.socket, driver: str, options: Mapping[str, int | str], *, listener: bool, remote: object
    ) -> None:
        """The wire needs no sockets."""

    def drop_link(self, link: int) -> None:
        """Nor closes any."""

    def local_of(self, _link: int, _source: SocketAddress) -> str | None:
        return SPOKEN_TO

    def add_session(self, keys: SessionKeys, *, link: int, to: SocketAddress | None, rotate_bytes: int, use: bool) -> None:
        if self.full:
            self.turned_away.set()
            raise HostError("no room for another session's counters", hint="raise limits.sessions")
        self.sessions[keys.session] = (keys, use)

    def move_session(self, session: int, *, link: int, to: SocketAddress | None, use: bool) -> None:
        if session in self.sessions:
            self.sessions[session] = (self.sessions[session][0], use)

    def stop_sending(self, session: int) -> None:
        self.move_session(session, link=0, to=None, use=False)

    def drop_session(self, session: int) -> None:
        self.sessions.pop(session, None)

    def send_message(self, session: int, kind: int, channel: int, body: bytes) -> None:
        if session in self.sessions:
            remote = self.sessions[session][0].remote
            asyncio.get_running_loop().call_soon(self.far.driver.on_message, remote, kind, channel, body)

    def send_packet(self, link: int, to: SocketAddress | None, packet: bytes) -> None:
        self.sent.put_nowait((link, to))
        *_, at = self.far.links  # the newest: a socket of its own where there is one
        source = ADDRESSES[self.name] if at.listener else None
        asyncio.get_running_loop().call_soon(self.far.driver.on_packet, at.number, source, packet)

    def records(self, _session: int) -> tuple[int, int]:
        return 0, 0

    def packets(self, _session: int) -> tuple[int, int]:
        return 0, 0

    # ---- what tests wait for ----

    async def hears(self, kind: type) -> Any:
        async with asyncio.timeout(SECONDS):
            while not isinstance(event := await self.told.get(), kind):
                pass
        return event


@asynccontextmanager
async def sides() -> AsyncIterator[tuple[Side, Side]]:
    """`a` calls `b`, which listens; not started yet."""
    a, b = Side("a", "b", calls=True), Side("b", "a", calls=False)
    a.far, b.far = b, a
    b.driver.on_link(b.adopt(LISTEN, None), None)
    try:
        yield a, b
    finally:
        for side in (a, b):
            await side.driver.close()
            side.links.close()


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Side, Side]]:
    async with sides() as (a, b):
        b.driver.start({})
        a.driver.start({})
        for side in (a, b):
            await side.hears(events.SessionOpened)
        yield a, b


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(logging, "_SEEN", OrderedDict())
    caplog.set_level(standard.WARNING)
    return caplog


async def test_a_session_is_installed_before_it_is_used_and_told_when_it_is() -> None:
    async with connected() as (a, b):
        for side, peer in ((a, "b"), (b, "a")):
            [(keys, used)] = side.sessions.values()
            assert (keys.peer, used) == (peer, True)
            assert side.driver.connected_peers() == {peer}


async def test_where_a_peer_came_in_from_is_remembered_and_it_gets_a_socket_of_its_own() -> None:
    async with connected() as (_, b):
        [listener] = b.links
        async with asyncio.timeout(SECONDS):
            assert await b.remembered.get() == ("a", KnownPath(LISTEN, Endpoint("udp", *ADDRESSES["a"])))
            assert await b.connects.get() == (listener.number, ADDRESSES["a"], SPOKEN_TO)


async def test_a_known_path_is_called_by_a_node_that_has_no_endpoint() -> None:
    async with sides() as (a, b):
        a.adopt(Endpoint("udp", *ADDRESSES["a"]), Endpoint("udp", *ADDRESSES["b"]))
        b.driver.start({"a": KnownPath(LISTEN, Endpoint("udp", *ADDRESSES["a"])), "stranger": KnownPath(LISTEN, LISTEN)})
        [listener] = b.links
        async with asyncio.timeout(SECONDS):
            assert await b.sent.get() == (listener.number, ADDRESSES["a"])


async def test_a_peer_that_spoke_to_one_of_many_addresses_is_called_from_that() -> None:
    async with sides() as (_, b):
        b.connects_peers = True
        [listener] = b.links
        b.driver.start({"a": KnownPath(LISTEN._replace(host=SPOKEN_TO), Endpoint("udp", *ADDRESSES["a"]))})
        async with asyncio.timeout(SECONDS):
            assert await b.connects.get() == (listener.number, ADDRESSES["a"], SPOKEN_TO)
            assert await b.sent.get() == (listener.number + 1, None)


async def test_a_socket_of_its_own_is_remembered_with_the_address_that_was_called() -> None:
    async with sides() as (a, b):
        b.connects_peers = True
        for side in (b, a):
            side.driver.start({})
        async with asyncio.timeout(SECONDS):
            known = KnownPath(LISTEN._replace(host=SPOKEN_TO), Endpoint("udp", *ADDRESSES["a"]))
            while await b.remembered.get() != ("a", known):
                pass


async def test_goodbye_is_heard_by_the_peer() -> None:
    async with connected() as (a, b):
        await a.driver.close()
        closed = await b.hears(events.SessionClosed)
        assert closed.peer == "a"
        assert b.driver.connected_peers() == frozenset()
        while await b.remembered.get() != ("a", None):
            pass
        a.driver.on_packet(1, None, OTHER_VERSION)
        assert not a.driver.node.counters["version"], "who has said goodbye hears nothing more"


async def test_keys_that_died_with_a_worker_are_made_anew() -> None:
    async with connected() as (a, b):
        [old] = a.sessions
        a.sessions.clear()
        a.driver.on_worker_lost([])
        await a.hears(events.SessionOpened)
        assert old not in a.sessions
        await b.hears(events.SessionOpened)


def fails(_event: object) -> None:
    raise ZeroDivisionError


async def test_a_subscriber_that_fails_keeps_nobody_from_hearing(warnings: pytest.LogCaptureFixture) -> None:
    async with sides() as (a, b):
        seen: Any = SimpleNamespace(driver=a.driver, views=[])
        NodeView(seen, PluginCalls(), "mine").subscribe(fails)
        a.driver.subscribers.reverse()
        b.driver.start({})
        a.driver.start({})
        await a.hears(events.SessionOpened)
    assert "a plugin failed" in warnings.messages


async def test_a_session_that_has_no_room_in_the_worker_is_not_begun(warnings: pytest.LogCaptureFixture) -> None:
    async with sides() as (a, b):
        b.full = True
        b.driver.start({})
        a.driver.start({})
        async with asyncio.timeout(SECONDS):
            await b.turned_away.wait()
        assert b.driver.node.counters["closed-no-room"] == 1
        assert b.driver.node.sessions == {}
        assert a.driver.connected_peers() == b.driver.connected_peers() == frozenset()
    assert warnings.messages.count("a session cannot be kept") == 1


async def test_a_caller_without_room_tries_again_before_the_peer_thinks_it_has_a_session() -> None:
    async with sides() as (a, b):
        a.full = True
        b.driver.start({})
        a.driver.start({})
        async with asyncio.timeout(SECONDS):
            await a.turned_away.wait()
        assert a.driver.node.counters["no-room"] == 1
        a.full = False
        for side in (a, b):
            await side.hears(events.SessionOpened)
        assert b.driver.node.counters["completed"] == 1


async def test_the_same_refusal_many_times_is_one_line(warnings: pytest.LogCaptureFixture) -> None:
    async with sides() as (_, b):
        b.driver.start({})
        [listener] = b.links
        for port in range(50):
            b.driver.on_packet(listener.number, ("192.0.2.1", port), OTHER_VERSION)
        for _turn in range(50):
            await asyncio.sleep(0)
        assert b.driver.node.counters["version"] == 50
    assert warnings.messages.count("handshakes refused") == 1


async def test_a_mistake_of_ours_is_counted_said_once_and_stops_nothing(warnings: pytest.LogCaptureFixture) -> None:
    def mistake(*_: object) -> None:
        raise KeyError("a peer's bytes")

    async with connected() as (a, _b):
        [session] = a.sessions
        a.send_message = mistake  # type: ignore[method-assign]
        for _ in range(3):
            a.driver.on_message(session, PacketType.KEEP_ALIVE, 0, bytes(8))
            a.driver.on_misheard(ValueError("a peer's bytes"))
        assert a.driver.drops["raised"] == 6
        assert warnings.messages == ["failed at something and went on"] * 2, "one a place"
        assert "bytes" not in warnings.text
        del a.send_message
        a.driver.on_message(session, PacketType.DISCONNECT, 0, b"")
        assert a.driver.connected_peers() == frozenset()


@pytest.mark.parametrize("kind", [0, 3, 7, 255])
async def test_a_message_of_no_type_is_counted_and_says_nothing(kind: int, warnings: pytest.LogCaptureFixture) -> None:
    async with connected() as (a, _):
        [session] = a.sessions
        a.driver.on_message(session, kind, 0, b"x")
        assert a.driver.node.counters["unexpected"] == 1
        assert warnings.messages == []
