"""A whole node on the simulated network: the real `Node`, the real record format, and the worker's part in its simplest form.

a, b = SimulatedHost(network, "198.51.100.1", …), SimulatedHost(network, "198.51.100.2", …)
network.run_until(lambda: a.connected("b"), 5)
a.send("b", b"hello");  network.run(1);  b.received == [("a", b"hello")]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from appliance.api.crypto import CryptoSuite
from appliance.api.values import Endpoint
from appliance.protocol.events import (
    Answered,
    AskFailed,
    Challenge,
    Compress,
    ControlEvent,
    ControlWaiting,
    Dial,
    Event,
    LinkUnused,
    Path,
    PathAsked,
    PathChanged,
    PathProved,
    PeerConnected,
    PeerGone,
    Protect,
    SendMessage,
    SendProbe,
    SessionClosed,
    SessionConfirmed,
    SessionReady,
    SessionReplaced,
    Shape,
    StrangerCame,
    StrangerGone,
    Unreached,
)
from appliance.protocol.identity import Identity
from appliance.protocol.node import Node
from appliance.protocol.ratchet import Ratchet
from appliance.protocol.replay import ReplayWindow
from appliance.protocol.settings import NodeSettings, PeerSettings
from appliance.testing.network import Address, Network, Socket, StreamEnd
from appliance.wire.envelope import (
    CHANNEL_CONTROL,
    CHANNEL_IP,
    HANDSHAKE_TYPES,
    HEADER_BYTES,
    PacketType,
    no_session,
    nonce,
    pack,
    unpack,
)

SUITES = (
    CryptoSuite("aes-256-gcm", 1, 32, 16, "cryptography.hazmat.primitives.ciphers.aead:AESGCM"),
    CryptoSuite("chacha20-poly1305", 2, 32, 16, "cryptography.hazmat.primitives.ciphers.aead:ChaCha20Poly1305"),
)
"""Suites a simulated node knows; it seals with AES-256-GCM whatever was agreed."""
TAG_BYTES = 16
ACTIVITY_SECONDS = 1.0


@dataclass(slots=True)
class _Link:
    send: Callable[[Address | None, bytes], None]
    close: Callable[[], None]


@dataclass(slots=True)
class _Records:
    """One session's keys and counters."""

    peer: str
    remote_index: int
    link: int
    to: Address | None
    seal: AESGCM
    open: AESGCM
    window: ReplayWindow = field(default_factory=ReplayWindow)
    sent: int = 0
    received: int = 0


class SimulatedHost:
    """A node at one address. `received` is what peers sent; `events` all that the node said; `drops` counts by reason."""

    def __init__(
        self,
        network: Network,
        host: str,
        settings: NodeSettings,
        identity: Identity,
        *,
        peers: Sequence[PeerSettings] = (),
        listen: tuple[Endpoint, ...] = (),
        datagram_bytes: int = 1400,
        adapts: bool = False,
    ) -> None:
        self.network = network
        self.host = host
        self.identity = identity
        self.datagram_bytes = datagram_bytes
        self.adapts = adapts
        self.received: list[tuple[str, bytes]] = []
        self.events: list[Event] = []
        self.drops: Counter[str] = Counter()
        self.records: dict[int, _Records] = {}
        self.sending: dict[str, int] = {}
        self.alive = True
        self.listener: Callable[[ControlEvent], None] = lambda _event: None
        """Told about the control channel: who came and went, and what waits or was answered."""
        self.paths_listener: Callable[[PathAsked | PathProved], None] = lambda _event: None
        """Told about other paths of sessions."""
        random = Random(network.random.random())  # noqa: S311 - it only has to repeat
        self.node = Node(settings, identity, SUITES, now=network.now, entropy=random.randbytes, peers=peers)
        self._links: dict[int, _Link] = {}
        self._numbers = 0
        self._wake: float | None = None
        for endpoint in listen:
            self._listen(endpoint)
        self.network.clock.call_later(ACTIVITY_SECONDS, self._tell_activity)
        self.pump()

    def connected(self, peer: str) -> bool:
        """Can something be sent to `peer`?"""
        return peer in self.sending

    def send(self, peer: str, payload: bytes) -> bool:
        """Send one record to `peer`; False (and the node knows of the wish) without a session."""
        session = self.sending.get(peer)
        if session is None:
            self.node.handle_want(peer, self.network.now)
            self.pump()
            return False
        self._seal(session, PacketType.DATA, CHANNEL_IP, payload)
        return True

    def update(self, settings: NodeSettings) -> None:
        """Another policy, other limits."""
        self.node.update(settings, self.network.now)
        self.pump()

    def add_peer(self, peer: PeerSettings) -> None:
        """Somebody who may have a session from now on."""
        self.node.add_peer(peer, self.network.now)
        self.pump()

    def change_peer(self, peer: PeerSettings) -> None:
        """The peer of that name is like this from now on."""
        self.node.change_peer(peer, self.network.now)
        self.pump()

    def drop_peer(self, name: str) -> None:
        """A peer that is a stranger from now on."""
        self.node.drop_peer(name, self.network.now)
        self.pump()

    def kill(self) -> None:
        """Vanish without a word; streams break."""
        self.alive = False
        for link in list(self._links.values()):
            link.close()

    def shutdown(self) -> None:
        """Leave politely."""
        self.node.shutdown(self.network.now)
        self.pump()

    def inject(self, link: int, source: Address | None, packet: bytes) -> None:
        """Let a packet come in as if from the network."""
        fields = unpack(packet)
        if fields is None or fields[1] in HANDSHAKE_TYPES:
            self.node.handle_packet(link, source, packet, self.network.now)
        else:
            self._open(link, source, packet)
        self.pump()

    def pump(self) -> None:
        """Do what the node asks for: events first, then packets, then its alarm."""
        while True:
            while (event := self.node.poll_event()) is not None:
                self.events.append(event)
                self._obey(event)
            transmit = self.node.poll_transmit()
            if transmit is None:
                break
            link = self._links.get(transmit.link)
            if link is not None:
                link.send(transmit.to, transmit.packet)
        when = self.node.poll_timeout()
        if when is not None and (self._wake is None or when < self._wake):
            self._wake = when
            self.network.clock.call_at(when, self._alarm)

    def _alarm(self) -> None:
        self._wake = None
        if self.alive:
            self.node.handle_timeout(self.network.now)
            due = self.node.poll_timeout()
            assert due is None or due > self.network.now, "time stands still: a timer is set for now again and again"
            self.pump()

    def _tell_activity(self) -> None:
        if not self.alive:
            return
        for index, records in list(self.records.items()):
            self.node.handle_activity(index, records.received, self.network.now)
        self.pump()
        self.network.clock.call_later(ACTIVITY_SECONDS, self._tell_activity)

    def _listen(self, endpoint: Endpoint) -> None:
        link = self._number()
        if endpoint.scheme == "udp":
            socket = self.network.bind((endpoint.host, endpoint.port), lambda source, packet: self._came(link, source, packet))
            self._links[link] = _Link(lambda to, packet: socket.send(to or (endpoint.host, endpoint.port), packet), socket.close)
            self.node.handle_link(
                link,
                None,
                endpoint,
                None,
                datagram=True,
                now=self.network.now,
                listener=True,
                datagram_bytes=self.datagram_bytes,
                adapts=self.adapts,
            )
        else:
            self.network.listen((endpoint.host, endpoint.port), lambda end, source: self._accept(endpoint, end, source))

    def _accept(self, local: Endpoint, end: StreamEnd, source: Address) -> None:
        if self.alive:
            link = self._add_stream(end)
            self.node.handle_link(link, None, local, Endpoint(local.scheme, *source), datagram=False, now=self.network.now)
            self.pump()

    def _dial(self, event: Dial) -> None:
        to = (event.endpoint.host, event.endpoint.port)
        if event.endpoint.scheme == "udp":
            link = self._number()
            socket = self._connected(link, to)
            self._links[link] = _Link(lambda _, packet: socket.send(to, packet), socket.close)
            local = Endpoint("udp", *socket.address)
        else:
            end = self.network.connect(self.host, to)
            if end is None:
                self.node.handle_dial_failed(event.peer, event.endpoint, "refused", self.network.now)
                return
            link = self._add_stream(end)
            local = Endpoint("tcp", *end.address)
        self.node.handle_link(
            link,
            event.peer,
            local,
            event.endpoint,
            event.endpoint.scheme == "udp",
            self.network.now,
            datagram_bytes=self.datagram_bytes,
            adapts=self.adapts,
        )

    def _connected(self, link: int, to: Address) -> Socket:
        def receive(source: Address, packet: bytes) -> None:
            if source == to:
                self._came(link, None, packet)

        return self.network.bind((self.host, 0), receive)

    def _add_stream(self, end: StreamEnd) -> int:
        link = self._number()
        end.receive = lambda packet: self._came(link, None, packet)
        end.closed = lambda: self._closed(link)
        self._links[link] = _Link(lambda _, packet: end.send(packet), end.close)
        return link

    def _closed(self, link: int) -> None:
        self._links.pop(link, None)
        if self.alive:
            self.node.handle_link_closed(link, self.network.now)
            self.pump()

    def _came(self, link: int, source: Address | None, packet: bytes) -> None:
        if self.alive:
            self.inject(link, source, packet)

    def _obey(self, event: Event) -> None:
        match event:
            case Dial():
                self._dial(event)
            case SessionReady():
                seal, unseal = (AESGCM(Ratchet(chain, 32).key(0)) for chain in (event.send_chain, event.receive_chain))
                self.records[event.session] = _Records(event.peer, event.remote_index, event.link, event.source, seal, unseal)
            case SessionConfirmed():
                self.sending[event.peer] = event.session
            case SessionReplaced() | Protect() | Compress() | Shape() | StrangerCame() | StrangerGone() | Unreached():
                pass
            case PathAsked() | PathProved() | PeerConnected() | PeerGone() | ControlWaiting() | Answered() | AskFailed():
                self._tell(event)
            case SessionClosed():
                self.records.pop(event.session, None)
                if self.sending.get(event.peer) == event.session:
                    del self.sending[event.peer]
            case SendMessage() | SendProbe() | Challenge():
                self._say(event)
            case PathChanged():
                records = self.records[event.session]
                records.link, records.to = event.link, event.to
            case LinkUnused():
                link = self._links.pop(event.link, None)
                if link is not None:
                    link.close()

    def _tell(self, event: ControlEvent | PathAsked | PathProved) -> None:
        if isinstance(event, PathAsked | PathProved):
            self.paths_listener(event)
        else:
            self.listener(event)

    def _say(self, event: SendMessage | SendProbe | Challenge) -> None:
        match event:
            case SendMessage():
                self._seal(event.session, event.kind, event.channel, event.body)
            case SendProbe():
                padded = event.body.ljust(event.datagram - HEADER_BYTES - TAG_BYTES, b"\0")
                self._seal(event.session, PacketType.KEEP_ALIVE, 0, padded)
            case Challenge():
                self._seal(event.session, event.kind, 0, event.body, (event.link, event.to))

    def _seal(self, session: int, kind: PacketType, channel: int, body: bytes, path: Path | None = None) -> None:
        records = self.records.get(session)
        number, to = path or ((records.link, records.to) if records is not None else (0, None))
        link = self._links.get(number)
        if records is None or link is None:
            self.drops["no-path"] += 1
            return
        sequence = records.sent << 8
        records.sent += 1
        stream = records.remote_index << 8 | channel
        header = pack(kind, 0, stream, sequence, int(self.network.now * 1000), len(body) + TAG_BYTES)
        link.send(to, header + records.seal.encrypt(nonce(sequence), body, header))

    def _open(self, link: int, source: Address | None, packet: bytes) -> None:
        fields = unpack(packet)
        if fields is None:
            return
        _, kind, _, stream, sequence, _, _, _ = fields
        records = self.records.get(stream >> 8)
        if records is None:
            self.drops["unknown-session"] += 1
            self._links[link].send(source, no_session(stream, int(self.network.now * 1000)))
            return
        number = sequence >> 8
        if not records.window.check(number):
            self.drops["replay"] += 1
            return
        try:
            body = records.open.decrypt(nonce(sequence), packet[HEADER_BYTES:], packet[:HEADER_BYTES])
        except InvalidTag:
            self.drops["not-authentic"] += 1
            return
        newest = number >= records.window.newest
        records.window.mark(number)
        records.received += 1
        away = (link, source) != (records.link, records.to)
        if away and kind in (PacketType.KEEP_ALIVE, PacketType.ACK):
            self.node.handle_aside(stream >> 8, link, source, kind, body, self.network.now, newest=newest)
            return
        if newest and away:
            self.node.handle_moved(stream >> 8, link, source, self.network.now)
        if kind == PacketType.DATA and stream & 0xFF == CHANNEL_IP:
            self.received.append((records.peer, body))
        elif kind != PacketType.DATA or stream & 0xFF == CHANNEL_CONTROL:
            self.node.handle_message(stream >> 8, PacketType(kind), stream & 0xFF, body, self.network.now)

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers
