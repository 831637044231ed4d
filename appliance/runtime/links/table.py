"""The links of the running node: sockets that a transport handed over, numbered, given to the worker, and given up.

A datagram socket is kept here too, so that a worker that died gets it again. A stream's state dies with its worker, so it is kept
only until there is one to take it.
"""

from __future__ import annotations

import socket
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from appliance.api.transport import Adopted, SocketAddress, TransportKind
from appliance.api.values import Endpoint
from appliance.protocol.links import address_of

DATAGRAM_BYTES = 1400
"""What is assumed of a driver that does not name its datagrams' size."""


class LinkWorker(Protocol):
    """What the worker takes."""

    def add_link(
        self,
        link: int,
        sock: socket.socket,
        driver: str,
        options: Mapping[str, int | str],
        *,
        listener: bool,
        remote: SocketAddress | None,
    ) -> None:
        """Take a socket, a listener's or one whose far end is `remote`; the caller may close its own copy."""

    def drop_link(self, link: int) -> None:
        """Close a link."""


@dataclass(slots=True)
class Link:
    """One socket in the worker's hands. `sock` is our copy of it, None for a stream that the worker has."""

    number: int
    kind: TransportKind
    local: Endpoint
    remote: Endpoint | None
    listener: bool
    options: Mapping[str, int | str]
    sock: socket.socket | None
    stale: bool = False
    """It sends from an address that this host has no more."""

    @property
    def datagram_bytes(self) -> int:
        """Bytes of payload a datagram may have."""
        return int(self.options.get("datagram", DATAGRAM_BYTES))

    @property
    def adapts(self) -> bool:
        """May the driver be told to use shorter datagrams?"""
        return bool(self.options.get("adapts", 0))


class Links:
    """All links by number. Numbers are not used twice while the daemon runs."""

    def __init__(self) -> None:
        self._links: dict[int, Link] = {}
        self._listeners: dict[int, Link] = {}
        self._last = 0
        self._worker: LinkWorker | None = None

    def __iter__(self) -> Iterator[Link]:
        return iter(list(self._links.values()))

    def __contains__(self, number: int) -> bool:
        return number in self._links

    def __len__(self) -> int:
        return len(self._links)

    def stats(self) -> dict[str, int]:
        """Sockets now, how many of them are listeners', and how many there ever were."""
        return {"open": len(self._links), "listeners": len(self._listeners), "so_far": self._last}

    def get(self, number: int) -> Link | None:
        """The link of that number, if it is still there."""
        return self._links.get(number)

    def listeners(self, scheme: str, version: int) -> list[Link]:
        """The shared sockets of a transport that speak IPv4 (4) or IPv6 (6)."""
        of_version = [link for link in self._listeners.values() if (":" in link.local.host) == (version == 6)]
        return [link for link in of_version if link.kind.name == scheme]

    def between(self, listener: Link, remote: Endpoint) -> Link | None:
        """The connected socket from the listener's port to `remote`. What comes from there comes by one socket only."""
        port = listener.local.port
        found = (link for link in self._links.values() if link.remote == remote and link.local.port == port)
        return next((link for link in found if not link.stale), None)

    def listener_at(self, local: Endpoint) -> Link | None:
        """The shared socket bound to `local`."""
        return next((link for link in self._listeners.values() if link.local == local), None)

    def listener_over(self, local: Endpoint) -> Link | None:
        """The shared socket that takes packets for `local`: bound to it, or to all addresses of its family at its port."""
        everywhere = local._replace(host="::" if ":" in local.host else "0.0.0.0")
        return self.listener_at(local) or self.listener_at(everywhere)

    def add(self, kind: TransportKind, adopted: Adopted) -> Link:
        """Number a socket and give it to the worker. The socket is ours from now on."""
        self._last += 1
        link = Link(
            self._last,
            kind,
            adopted.local,
            adopted.remote,
            adopted.listener,
            dict(adopted.driver_options),
            adopted.sock,
        )
        self._links[link.number] = link
        if link.listener:
            self._listeners[link.number] = link
        if self._worker is not None:
            self._hand_over(link, self._worker)
        return link

    def drop(self, number: int) -> None:
        """Close a link; one that is gone already is no error."""
        if self.forget(number) and self._worker is not None:
            self._worker.drop_link(number)

    def forget(self, number: int) -> bool:
        """The worker has closed a link. False when it was not known."""
        link = self._links.pop(number, None)
        self._listeners.pop(number, None)
        if link is not None and link.sock is not None:
            link.sock.close()
        return link is not None

    def worker_lost(self, kept: Container[int] = ()) -> list[Link]:
        """A worker died. Returns the links that died with it, forgotten already; those `kept` are in other workers."""
        dead = [link for link in self._links.values() if link.sock is None and link.number not in kept]
        for link in dead:
            self.forget(link.number)
        return dead

    def use_worker(self, worker: LinkWorker, kept: Container[int] = ()) -> None:
        """Give everything but what is `kept` to a worker that does not have it, and from now on what is added."""
        self._worker = worker
        for link in self._links.values():
            if link.number not in kept:
                self._hand_over(link, worker)

    def _hand_over(self, link: Link, worker: LinkWorker) -> None:
        if link.sock is None:
            return
        remote = None if link.remote is None else address_of(link.remote)
        worker.add_link(link.number, link.sock, link.kind.driver, link.options, listener=link.listener, remote=remote)
        if not link.kind.datagram:
            link.sock.close()
            link.sock = None

    def close(self) -> None:
        """Close and forget everything."""
        for number in list(self._links):
            self.drop(number)
