"""A handshake's costly steps wait for their turn: what was begun before what is new, within bounds, and nothing is done twice."""

from __future__ import annotations

from itertools import count
from random import Random

import pytest

from appliance.api.transport import SocketAddress
from appliance.api.values import Endpoint
from appliance.protocol import answering, events
from appliance.protocol.node import Node
from appliance.protocol.settings import NodeSettings, PeerSettings
from appliance.testing.pair import identity_of
from appliance.testing.simulated_host import SUITES

HERE = Endpoint("udp", "203.0.113.1", 8443)
LISTENER = 1


def node(name: str, *peers: str, deferring: bool = False) -> Node:
    known = [PeerSettings(peer, identity_of(peer).fingerprint) for peer in peers]
    entropy = Random(name).randbytes
    return Node(NodeSettings(), identity_of(name), SUITES, now=0.0, entropy=entropy, peers=known, deferring=deferring)


class Caller:
    """A node that calls HERE over a link of its own."""

    def __init__(self, name: str, address: SocketAddress) -> None:
        self.name = name
        self.address = address
        self.node = node(name, "server")
        self.node.handle_candidates("server", [HERE], 0.0)
        assert isinstance(self.node.poll_event(), events.Dial)
        self.node.handle_link(1, "server", Endpoint("udp", *address), HERE, datagram=True, now=0.0)

    def said(self) -> list[bytes]:
        """Packets it wants to send."""
        while self.node.poll_event() is not None:
            pass
        return [transmit.packet for transmit in iter(self.node.poll_transmit, None)]


class Server:
    """A deferring node with a listener."""

    def __init__(self, *peers: str) -> None:
        self.node = node("server", *peers, deferring=True)
        self.node.handle_link(LISTENER, None, HERE, None, datagram=True, now=0.0, listener=True)

    def hear(self, caller: Caller, packets: list[bytes]) -> None:
        for packet in packets:
            self.node.handle_packet(LISTENER, caller.address, packet, 0.0)

    def answer(self, caller: Caller) -> None:
        """Pass on what it has for `caller`."""
        for transmit in iter(self.node.poll_transmit, None):
            assert transmit.to == caller.address
            caller.node.handle_packet(1, None, transmit.packet, 0.0)

    def confirmed(self) -> list[str]:
        """Peers with a session, as far as their first record goes."""
        return [event.peer for event in iter(self.node.poll_event, None) if isinstance(event, events.SessionConfirmed)]


def callers(*names: str) -> list[Caller]:
    hosts = count(1)
    return [Caller(name, (f"198.51.100.{next(hosts)}", 40000)) for name in names]


def test_a_hello_costs_nothing_until_its_turn_and_is_answered_once() -> None:
    (a,) = callers("a")
    server = Server("a")
    hello = a.said()
    server.hear(a, hello)
    server.hear(a, hello)
    assert server.node.poll_transmit() is None
    assert server.node.has_work
    assert server.node.handle_work(0.0)
    assert not server.node.handle_work(0.0)
    assert server.node.counters["answered"] == 1
    assert server.node.poll_transmit() is not None


def test_what_was_begun_is_finished_before_a_stranger_is_answered() -> None:
    a, b = callers("a", "b")
    server = Server("a", "b")
    server.hear(a, a.said())
    server.node.handle_work(0.0)
    server.answer(a)
    server.hear(b, b.said())
    server.hear(a, a.said())
    server.node.handle_work(0.0)
    assert server.confirmed() == ["a"]
    assert server.node.counters["answered"] == 1
    server.node.handle_work(0.0)
    assert server.node.counters["answered"] == 2


def test_a_finish_that_comes_twice_is_checked_once() -> None:
    (a,) = callers("a")
    server = Server("a")
    server.hear(a, a.said())
    server.node.handle_work(0.0)
    server.answer(a)
    finish = a.said()
    server.hear(a, finish)
    server.hear(a, finish)
    assert server.node.handle_work(0.0)
    assert not server.node.has_work
    assert server.confirmed() == ["a"]


def test_strangers_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "MAX_WORK", 1)
    a, b = callers("a", "b")
    server = Server("a", "b")
    server.hear(a, a.said())
    server.hear(b, b.said())
    assert server.node.counters["crowded"] == 1
    assert server.node.handle_work(0.0)
    assert not server.node.handle_work(0.0)


def test_a_hello_whose_sender_has_given_up_is_not_answered() -> None:
    a, b = callers("a", "b")
    server = Server("a", "b")
    server.hear(a, a.said())
    again = b.said()
    server.hear(b, again)
    for packet in again:
        server.node.handle_packet(LISTENER, b.address, packet, 1.5)
    while server.node.handle_work(3.0):
        pass
    assert server.node.counters["too-late"] == 1
    assert {transmit.to for transmit in iter(server.node.poll_transmit, None)} == {b.address}


def test_work_for_what_is_gone_is_skipped() -> None:
    a, b = callers("a", "b")
    server = Server("a", "b")
    server.hear(b, b.said())
    server.node.handle_work(0.0)
    server.answer(b)
    server.hear(b, b.said())
    server.hear(a, a.said())
    server.node.handle_link_closed(LISTENER, 0.0)
    while server.node.handle_work(0.0):
        pass
    assert server.confirmed() == []
    assert server.node.pending == 0
    assert not server.node.sessions


def test_the_calling_side_waits_too_and_sends_nothing_again_meanwhile() -> None:
    server, client = Server("client"), node("client", "server", deferring=True)
    client.handle_candidates("server", [HERE], 0.0)
    assert isinstance(client.poll_event(), events.Dial)
    client.handle_link(1, "server", HERE, HERE, datagram=True, now=0.0)
    for transmit in iter(client.poll_transmit, None):
        server.node.handle_packet(LISTENER, ("198.51.100.1", 40000), transmit.packet, 0.0)
    server.node.handle_work(0.0)
    for transmit in iter(server.node.poll_transmit, None):
        client.handle_packet(1, None, transmit.packet, 0.0)
    client.handle_timeout(0.5)
    assert client.poll_transmit() is None
    assert not client.sessions
    assert client.handle_work(0.5)
    assert len(client.sessions) == 1
    assert client.poll_transmit() is not None
