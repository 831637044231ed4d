"""What one may tell a worker: each call is an order that goes to it, in the order of the calls.

Calls only queue: what the socket does not take now is sent when it does.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from appliance.worker import orders, pairs
from appliance.worker.orders import ORDERS

if TYPE_CHECKING:
    from appliance.api.transport import SocketAddress
    from appliance.api.values import Network
    from appliance.runtime.workers.counters import SharedCounters
    from appliance.runtime.workers.hearing import Spoken
    from appliance.worker.messages import Message

PeerLine = tuple[str, "Iterable[Network]", int]
"""Name, prefixes that the peer may send from, and bytes a second that may be sent to it (0: as fast as can be)."""
SLICE: Final = 500
"""Table entries a message, so that it stays below pairs.MAX_MESSAGE."""


class SessionKeys(NamedTuple):
    """What a finished handshake hands to the data plane. The chains are secret and go nowhere else."""

    session: int
    remote: int
    """The peer's number of the session."""
    peer: str
    suite: str
    send_chain: bytes
    receive_chain: bytes
    compression: bool = False
    """What comes in may be compressed."""


class Outbox:
    """Orders on their way to a worker. What is put before `open` or after `close` goes nowhere."""

    def __init__(self) -> None:
        self._end: socket.socket | None = None
        self._queue: deque[tuple[bytes, Sequence[int]]] = deque()

    def open(self, end: socket.socket) -> None:
        """Send by this socket, which does not block."""
        self._end = end

    def close(self) -> None:
        """Forget the socket and what it did not take."""
        if self._queue and self._end is not None:
            asyncio.get_running_loop().remove_writer(self._end.fileno())
        self._end = None
        while self._queue:
            _close_all(self._queue.popleft()[1])

    def put(self, order: Message) -> None:
        """Send an order. Its descriptors are closed here once they have gone."""
        packet, descriptors = ORDERS.encode(order)
        if self._end is None:
            _close_all(descriptors)
        elif self._queue:
            self._queue.append((packet, descriptors))
        elif not self._send(packet, descriptors):
            self._queue.append((packet, descriptors))
            asyncio.get_running_loop().add_writer(self._end.fileno(), self._drain)

    def _drain(self) -> None:
        while self._queue:
            if not self._send(*self._queue[0]):
                return
            self._queue.popleft()
        if self._end is not None:
            asyncio.get_running_loop().remove_writer(self._end.fileno())

    def _send(self, packet: bytes, descriptors: Sequence[int]) -> bool:
        """False: not now."""
        assert self._end is not None
        try:
            pairs.send(self._end, packet, descriptors)
        except BlockingIOError:
            return False
        except OSError:  # the worker is gone, which is heard otherwise
            pass
        _close_all(descriptors)
        return True


class Telling:
    """All that one worker can be told. `shared` has the rows of its sessions' counters; `spoken` is what is known of which of our
    addresses far ends spoke to."""

    def __init__(self, shared: SharedCounters, spoken: Spoken) -> None:
        self._outbox = Outbox()
        self._tell = self._outbox.put
        self._shared = shared
        self._spoken = spoken

    # ---- sockets ----

    def add_link(
        self,
        link: int,
        sock: socket.socket,
        driver: str,
        options: Mapping[str, int | str],
        *,
        deaf: bool = False,
        remote: SocketAddress | None = None,
    ) -> None:
        """Give the worker a socket; `deaf`: another worker reads it, `remote`: its one far end. The caller may close its own copy
        when this returns."""
        self._tell(orders.LinkAdd(link, driver, options, deaf, remote, os.dup(sock.fileno())))

    def join(self, worker: int, end: socket.socket) -> None:
        """Give the worker a socket to another one. The caller may close its own copy when this returns."""
        self._tell(orders.WorkerJoin(worker, os.dup(end.fileno())))

    def use_tun(self, tun: int, *, device: bool) -> None:
        """Give the worker another TUN's descriptor, which stays the caller's. `device` False: it is a stand-in, which neither
        gives nor takes packets."""
        self._tell(orders.Tun(device, os.dup(tun)))

    def drop_link(self, link: int) -> None:
        """Close a link."""
        self._tell(orders.LinkDrop(link))

    def protect_link(self, link: int, span: int) -> None:
        """Send one parity piece for every `span` pieces of a cut record over a link; 0: none."""
        self._tell(orders.LinkProtect(link, span))

    def shape_link(self, link: int, datagram: int) -> None:
        """Cut what goes over a datagram link into datagrams of so many bytes."""
        self._tell(orders.LinkShape(link, datagram))

    def try_offload(self, link: int) -> None:
        """Ask the kernel again to cut what goes over a link."""
        self._tell(orders.LinkOffload(link))

    # ---- strangers ----

    def set_cookies(self, secret: bytes, handshakes_per_second: int) -> None:
        """Judge hellos by cookies made with that secret, and let pass what belongs to so many handshakes."""
        self._tell(orders.Cookies(handshakes_per_second, secret))

    def want_cookies(self, wanted: bool) -> None:
        """Let no hello pass without a cookie; False: unless there are many."""
        self._tell(orders.CookiesWanted(wanted))

    # ---- sessions ----

    def add_session(self, keys: SessionKeys, *, link: int, to: SocketAddress | None, rotate_bytes: int, use: bool = True) -> None:
        """Install a session. `use`: send to the peer by it from now on; otherwise only receive. Raises HostError when there is no
        room for its counters."""
        self._tell(
            orders.SessionAdd(
                keys.session,
                keys.remote,
                keys.peer,
                keys.suite,
                self._shared.take(keys.session),
                keys.compression,
                rotate_bytes,
                link,
                to,
                self._local(link, to),
                use,
                keys.send_chain + keys.receive_chain,
            )
        )

    def move_session(self, session: int, *, link: int, to: SocketAddress | None, use: bool = True) -> None:
        """Send a session's records by another path."""
        self._tell(orders.SessionMove(session, link, to, self._local(link, to), use))

    def compress_session(self, session: int) -> None:
        """Compress what a session sends from now on."""
        self._tell(orders.SessionCompress(session))

    def stop_sending(self, session: int) -> None:
        """Only receive on a session from now on: another took its place."""
        self._tell(orders.SessionDrop(session, linger=True))

    def drop_session(self, session: int) -> None:
        """Forget a session and its keys."""
        self._tell(orders.SessionDrop(session, linger=False))
        self._shared.give_back(session)

    def session_elsewhere(self, session: int, worker: int | None) -> None:
        """That worker has the session; None: nobody has it any more."""
        self._tell(orders.SessionElsewhere(session, worker))

    # ---- data channels ----

    def open_channel(
        self, peer: str, channel: int, opening: int, end: socket.socket, rate: int = 0, *, carrier: bool = False
    ) -> None:
        """Join a data channel of a peer to a socket, which stays the caller's. `opening`: a number that comes back when the
        worker closes it. `rate`: bytes a second, 0 for as many as can be. `carrier`: its records are the packets of a link."""
        self._tell(orders.ChannelOpen(peer, channel, opening, rate, carrier, os.dup(end.fileno())))

    def close_channel(self, peer: str, channel: int) -> None:
        """Let go of a data channel."""
        self._tell(orders.ChannelClose(peer, channel))

    # ---- tables ----

    def put_peers(self, peers: Iterable[PeerLine]) -> None:
        """These peers came, or are others than before."""
        for part in _slices([(name, [str(prefix) for prefix in prefixes], rate) for name, prefixes, rate in peers]):
            self._tell(orders.Peers(part))

    def renew_peers(self, names: Sequence[str]) -> None:
        """Somebody else is behind these names: drop what waits for the one before, and end the data channels to him."""
        for part in _slices(names):
            self._tell(orders.PeersRenewed(part))

    def give_up_waiting(self, names: Sequence[str]) -> None:
        """Drop what waits for a session of these peers."""
        for part in _slices(names):
            self._tell(orders.PeersUnreached(part))

    def drop_peers(self, names: Sequence[str]) -> None:
        """Forget these peers, to whom nothing is routed any more."""
        for part in _slices(names):
            self._tell(orders.PeersGone(part))

    def peer_elsewhere(self, peer: str, worker: int | None) -> None:
        """What goes to the peer goes by a session of that worker; None: of no other."""
        self._tell(orders.PeerElsewhere(peer, worker))

    def change_routes(self, put: Iterable[tuple[Network, str]], gone: Iterable[Network] = ()) -> None:
        """Prefixes with the peers that they go to from now on, and prefixes that go to none any more. A prefix that changes its
        peer goes to the old one or to the new one at each moment."""
        for part in _slices([(str(prefix), peer) for prefix, peer in put]):
            self._tell(orders.Routes(part, []))
        for names in _slices([str(prefix) for prefix in gone]):
            self._tell(orders.Routes([], names))

    def set_overlay(self, own: Sequence[str], *, hub: bool) -> None:
        """This node's addresses inside the overlay, with prefix lengths; `hub`: pass packets from one peer on to another. When it
        is told first, the worker begins to read packets."""
        self._tell(orders.Overlay(hub, own))

    def set_addresses(self, addresses: Sequence[str]) -> None:
        """Replace what the worker knows of this host's addresses, those inside the overlay and all others."""
        slices = list(_slices(addresses)) or [[]]
        for number, part in enumerate(slices, 1):
            self._tell(orders.Addresses(part, last=number == len(slices)))

    def set_qos(self, settings: Mapping[str, Any] | None) -> None:
        """Schedule traffic by classes, None: no longer."""
        self._tell(orders.Qos(settings))

    # ---- records, packets, questions ----

    def send_message(self, session: int, kind: int, channel_number: int, body: bytes) -> None:
        """Send one record of another kind than IP on a session."""
        self._tell(orders.SendMessage(session, kind, channel_number, body))

    def send_probe(self, session: int, kind: int, datagram: int, body: bytes) -> None:
        """Send a record whose body is padded so that it is one datagram of so many bytes."""
        self._tell(orders.SendProbe(session, kind, datagram, body))

    def send_challenge(self, session: int, kind: int, link: int, to: SocketAddress | None, body: bytes) -> None:
        """Send one record of a session by another path than its own."""
        self._tell(orders.SendChallenge(session, kind, link, to, self._local(link, to), body))

    def send_packet(self, link: int, to: SocketAddress | None, packet: bytes) -> None:
        """Send one handshake packet."""
        self._tell(orders.SendPacket(link, to, self._local(link, to), packet))

    def ask(self, number: int) -> None:
        """Ask whether the worker still turns; it answers by making `number` its `beat`."""
        self._tell(orders.Beat(number))

    def local_of(self, link: int, source: SocketAddress) -> str | None:
        """Which of this host's addresses the far end at `source` spoke to, where that is known and `link` has several."""
        return self._spoken.get((link, source))

    def keep_locals(self, addresses: Collection[str]) -> None:
        """This host has these addresses now: nothing leaves from others any more, whoever spoke to them."""
        for far in [far for far, local in self._spoken.items() if local not in addresses]:
            del self._spoken[far]

    def _local(self, link: int, to: SocketAddress | None) -> str | None:
        return None if to is None else self.local_of(link, to)


def _slices(entries: Sequence[Any]) -> Iterable[list[Any]]:
    rest = iter(entries)
    while part := list(islice(rest, SLICE)):
        yield part


def _close_all(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
