"""Sockets numbered, handed over, and what is left of them when a worker dies."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from appliance.api.transport import Adopted, TransportKind
from appliance.api.values import Endpoint
from appliance.runtime.links.table import Links

UDP = TransportKind("udp", None, lambda _settings, _services: None, datagram=True, driver="x:Udp")  # type: ignore[arg-type, return-value]
TCP = TransportKind("tcp", None, lambda _settings, _services: None, datagram=False, driver="x:Tcp")  # type: ignore[arg-type, return-value]
HERE, THERE = Endpoint("udp", "127.0.0.1", 1), Endpoint("udp", "127.0.0.2", 2)


class Worker:
    """Keeps what it was told."""

    def __init__(self) -> None:
        self.links: dict[int, str] = {}
        self.far_ends: list[tuple[bool, object]] = []

    def add_link(
        self, link: int, sock: socket.socket, driver: str, options: Mapping[str, int | str], *, listener: bool, remote: object
    ) -> None:
        assert sock.fileno() >= 0
        self.far_ends.append((listener, remote))
        self.links[link] = f"{driver} {dict(options)}"

    def drop_link(self, link: int) -> None:
        self.links.pop(link, None)


def adopted(*, listener: bool = False) -> Adopted:
    return Adopted(
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM), HERE, None if listener else THERE, listener, {"datagram": 1200}
    )


def test_a_link_goes_to_the_worker_and_comes_back() -> None:
    links, worker = Links(), Worker()
    links.use_worker(worker)
    link = links.add(UDP, adopted(listener=True))
    assert worker.links == {link.number: "x:Udp {'datagram': 1200}"}
    assert link.datagram_bytes == 1200
    assert links.listener_at(HERE) is link
    links.drop(link.number)
    links.drop(link.number)
    assert not worker.links
    assert len(links) == 0


def test_what_comes_before_the_worker_waits_for_it() -> None:
    links, worker = Links(), Worker()
    datagram, stream = links.add(UDP, adopted()), links.add(TCP, adopted())
    links.use_worker(worker)
    assert set(worker.links) == {datagram.number, stream.number}
    assert datagram.sock is not None
    assert stream.sock is None, "only the worker holds a stream"
    links.close()


def test_streams_die_with_their_worker_and_datagram_sockets_do_not() -> None:
    links = Links()
    links.use_worker(Worker())
    datagram, stream = links.add(UDP, adopted()), links.add(TCP, adopted())
    assert links.worker_lost() == [stream]
    assert stream.number not in links
    second = Worker()
    links.use_worker(second)
    assert set(second.links) == {datagram.number}
    links.close()


def test_what_other_workers_have_outlives_one() -> None:
    links, worker = Links(), Worker()
    links.use_worker(worker)
    datagram, stream, lost = links.add(UDP, adopted()), links.add(TCP, adopted()), links.add(TCP, adopted())
    kept = {stream.number}
    assert links.worker_lost(kept) == [lost]
    worker.links.clear()
    links.use_worker(worker, kept)
    assert set(worker.links) == {datagram.number}
    links.close()


def test_only_a_listener_has_no_far_end() -> None:
    links, worker = Links(), Worker()
    links.use_worker(worker)
    links.add(UDP, adopted(listener=True))
    links.add(UDP, adopted())
    assert worker.far_ends == [(True, None), (False, ("127.0.0.2", 2))]
    links.close()


def test_numbers_are_not_used_twice() -> None:
    links = Links()
    first = links.add(UDP, adopted())
    links.drop(first.number)
    assert links.add(UDP, adopted()).number != first.number
    assert not links.forget(first.number)
    links.close()
