"""Orders to a worker: all of them, in order, whatever its socket takes at the moment; and no descriptor is left open here."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from pathlib import Path

from appliance.runtime.workers.counters import SharedCounters
from appliance.runtime.workers.telling import SLICE, Outbox, SessionKeys, Telling
from appliance.worker import orders, pairs
from appliance.worker.messages import Message
from appliance.worker.orders import ORDERS

KEYS = SessionKeys(5, 6, "a", "aes-256-gcm", b"s" * 64, b"r" * 64)


def ends() -> tuple[socket.socket, socket.socket]:
    ours, theirs = pairs.pair()
    ours.settimeout(0)
    theirs.settimeout(0)
    return ours, theirs


def heard(end: socket.socket) -> list[Message]:
    """What has come so far."""
    found: list[Message] = []
    while True:
        try:
            packet, descriptors = pairs.receive(end)
        except BlockingIOError:
            return found
        if not packet:
            return found
        found.append(ORDERS.decode(packet, descriptors))


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_what_the_socket_does_not_take_goes_later_and_in_order() -> None:
    async def story() -> None:
        ours, theirs = ends()
        with ours, theirs:
            outbox = Outbox()
            outbox.open(ours)
            for number in range(1000):
                outbox.put(orders.SendPacket(number, None, None, bytes(60000)))
            come: list[Message] = []
            while len(come) < 1000:
                come += heard(theirs)
                await asyncio.sleep(0)
            assert [order.link for order in come] == list(range(1000))
            outbox.close()

    asyncio.run(story())


def test_a_descriptor_goes_with_its_order_and_is_closed_here() -> None:
    async def story() -> None:
        ours, theirs = ends()
        with ours, theirs, socket.socket() as sock:
            telling = Telling(SharedCounters(1), {})
            telling._outbox.open(ours)
            before = open_descriptors()
            telling.add_link(3, sock, "a.b:C", {"datagram": 1400}, remote=("192.0.2.1", 9))
            assert open_descriptors() == before
            [order] = heard(theirs)
            assert os.fstat(order.socket).st_ino == os.fstat(sock.fileno()).st_ino
            assert order[:-1] == (3, "a.b:C", {"datagram": 1400}, False, ("192.0.2.1", 9))
            os.close(order.socket)

    asyncio.run(story())


def test_nothing_stays_open_when_the_worker_is_gone_or_never_was() -> None:
    async def story() -> None:
        ours, theirs = ends()
        with ours, theirs, socket.socket() as sock:
            before = open_descriptors()
            outbox = Outbox()
            outbox.put(orders.Tun(True, os.dup(sock.fileno())))  # noqa: FBT003
            outbox.open(ours)
            while not outbox._queue:
                outbox.put(orders.SendPacket(1, None, None, bytes(60000)))
            outbox.put(orders.Tun(True, os.dup(sock.fileno())))  # noqa: FBT003
            outbox.close()
            outbox.put(orders.Tun(True, os.dup(sock.fileno())))  # noqa: FBT003
            assert open_descriptors() == before

    asyncio.run(story())


def test_tables_go_in_slices_that_fit_a_message() -> None:
    async def story() -> None:
        ours, theirs = ends()
        with ours, theirs:
            telling = Telling(SharedCounters(1), {})
            telling._outbox.open(ours)
            everything = ipaddress.ip_network("fd00::/16")
            routes = [(everything, f"peer{number}") for number in range(2 * SLICE + 1)]
            telling.change_routes(routes, [everything] * (SLICE + 1))
            sizes = [(len(order.put), len(order.gone)) for order in heard(theirs)]
            assert sizes == [(SLICE, 0), (SLICE, 0), (1, 0), (0, SLICE), (0, 1)], "what takes a prefix over goes first"
            telling.change_routes([])
            telling.put_peers([("a", [everything], 9), *((f"peer{number}", [], 0) for number in range(SLICE))])
            telling.drop_peers(["b"])
            telling.set_overlay(["10.8.0.2/24"], hub=True)
            first, second, *rest = heard(theirs)
            assert (first.peers[0], len(first.peers), len(second.peers)) == (["a", ["fd00::/16"], 9], SLICE, 1)
            assert rest == [orders.PeersGone(["b"]), orders.Overlay(hub=True, own=["10.8.0.2/24"])]

    asyncio.run(story())


def test_a_session_has_a_row_of_counters_as_long_as_it_is_there() -> None:
    async def story() -> None:
        ours, theirs = ends()
        with ours, theirs:
            shared = SharedCounters(1)
            telling = Telling(shared, {(1, ("192.0.2.1", 9)): "203.0.113.2"})
            telling._outbox.open(ours)
            telling.add_session(KEYS, link=1, to=("192.0.2.1", 9), rotate_bytes=7)
            assert shared.session(5) is not None
            telling.drop_session(5)
            assert shared.session(5) is None
            added, dropped = heard(theirs)
            assert (added.slot, added.local, added.chains) == (0, "203.0.113.2", b"s" * 64 + b"r" * 64)
            assert dropped == orders.SessionDrop(5, linger=False)

    asyncio.run(story())
