"""How each order of the control process changes the worker's world. Trusted input, cold path."""

from __future__ import annotations

import ipaddress
import os
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from appliance.dataplane.classes import rule_from
from appliance.dataplane.counters import BEAT, BEAT_AT, base
from appliance.dataplane.peers import Channel, Peer, Session
from appliance.dataplane.scheduled import Scheduling
from appliance.dataplane.scheduler import Limits
from appliance.dataplane.session import AeadFactory, Receiver, Sender
from appliance.linux.scheduling import SHORT_SLICE, USUAL, ask_for_slices
from appliance.wire.envelope import HEADER_BYTES, MAX_BODY_BYTES
from appliance.worker import orders
from appliance.worker.abilities import adapts, offloads
from appliance.worker.loop import answer_from

if TYPE_CHECKING:
    from appliance.api.transport import AdaptiveDriver
    from appliance.dataplane.compression import Codec
    from appliance.worker.loop import Loop
    from appliance.worker.messages import Message

DRIVER = (
    *("whole_bytes", "fragment_flags", "record_bytes", "fileno", "receive", "transmit", "transmit_to"),
    *("protect", "arrivals", "flush", "send_packet", "close"),
)
"""The members of api.transport.Driver."""


class Suite:
    """A cipher suite as the worker uses it."""

    __slots__ = ("aead", "key_bytes", "max_records", "tag_bytes")

    def __init__(self, aead: AeadFactory, key_bytes: int, tag_bytes: int, max_records: int) -> None:
        self.aead = aead
        self.key_bytes = key_bytes
        self.tag_bytes = tag_bytes
        self.max_records = max_records


class Whole:
    """A link that sends each record as one datagram: what the outbound half sees while it seals a probe."""

    whole_bytes = record_bytes = MAX_BODY_BYTES

    def __init__(self, link: AdaptiveDriver) -> None:
        self._link = link
        self.transmit_to, self.protect, self.arrivals = link.transmit_to, link.protect, link.arrivals
        self.fragment_flags = link.fragment_flags
        self.fileno, self.receive, self.flush = link.fileno, link.receive, link.flush
        self.send_packet, self.close = link.send_packet, link.close

    def transmit(self, length: int) -> bool:
        """Send the record in the shared buffer."""
        self._link.transmit_whole(length)
        return True


class Commands:
    """Applies orders to a loop's world. `suites`, `drivers` and `codec` (None: nobody wants compression) were loaded before the
    privileges went."""

    def __init__(self, loop: Loop, suites: dict[str, Suite], drivers: dict[str, Any], codec: Codec | None = None) -> None:
        self._loop = loop
        self._world = loop.world
        self._suites = suites
        self._drivers = drivers
        self._codec = codec
        self._addresses: list[ipaddress.IPv4Address | ipaddress.IPv6Address] = []
        self._by_kind: dict[type[Message], Callable[[Any], None]] = {
            orders.LinkAdd: self._link_add,
            orders.LinkDrop: self._link_drop,
            orders.LinkProtect: self._link_protect,
            orders.LinkShape: self._link_shape,
            orders.LinkOffload: self._link_offload,
            orders.WorkerJoin: self._worker_join,
            orders.Tun: self._tun,
            orders.Cookies: self._cookies,
            orders.CookiesWanted: self._cookies_wanted,
            orders.SessionAdd: self._session_add,
            orders.SessionMove: self._session_move,
            orders.SessionCompress: self._session_compress,
            orders.SessionDrop: self._session_drop,
            orders.SessionElsewhere: self._session_elsewhere,
            orders.ChannelOpen: self._channel_open,
            orders.ChannelClose: self._channel_close,
            orders.PeerElsewhere: self._peer_elsewhere,
            orders.Peers: self._peers,
            orders.PeersRenewed: self._peers_renewed,
            orders.PeersUnreached: self._peers_unreached,
            orders.PeersGone: self._peers_gone,
            orders.Routes: self._change_routes,
            orders.Overlay: self._overlay,
            orders.Addresses: self._addresses_slice,
            orders.Qos: self._qos,
            orders.SendMessage: self._send_message,
            orders.SendProbe: self._send_probe,
            orders.SendChallenge: self._send_challenge,
            orders.SendPacket: self._send_packet,
            orders.Beat: self._beat,
            orders.Stop: self._stop,
        }

    def handle(self, order: Message) -> None:
        """Do what one order says."""
        self._by_kind[type(order)](order)

    def _link_add(self, order: orders.LinkAdd) -> None:
        sock = socket.socket(fileno=order.socket)
        sock.settimeout(0)
        try:
            driver = self._drivers[order.driver](sock, order.options, self._loop.buffers)
            lacking = [member for member in DRIVER if not hasattr(driver, member)]
            if lacking:
                raise TypeError(f"the driver lacks {', '.join(lacking)}")
            self._loop.add_link(order.link, driver, deaf=order.deaf, remote=order.remote)
        except BaseException as error:  # noqa: BLE001  a plugin's fault must not end the worker
            self._loop.reporting.refused(order.link, order.driver, error)
            sock.close()

    def _link_drop(self, order: orders.LinkDrop) -> None:
        self._loop.drop_link(order.link)

    def _link_protect(self, order: orders.LinkProtect) -> None:
        link = self._loop.links.get(order.link)
        if link is not None:
            link.protect(order.span)

    def _link_offload(self, order: orders.LinkOffload) -> None:
        link = self._loop.links.get(order.link)
        if offloads(link):
            link.try_offload()
            self._loop.say_offload(link)

    def _link_shape(self, order: orders.LinkShape) -> None:
        link = self._loop.links.get(order.link)
        if adapts(link):
            link.shape(order.datagram)
            self._loop.shaped(link)

    def _cookies(self, order: orders.Cookies) -> None:
        self._loop.reporting.gate.configure(order.secret, order.handshakes_per_second, time.monotonic())

    def _cookies_wanted(self, order: orders.CookiesWanted) -> None:
        self._loop.reporting.gate.want_cookies(order.wanted)

    def _session_add(self, order: orders.SessionAdd) -> None:
        suite = self._suites[order.suite]
        peer = self._world.peers[order.peer]
        half = len(order.chains) // 2
        send, receive = order.chains[:half], order.chains[half:]
        session = Session(
            index=order.session,
            remote_index=order.remote,
            peer=peer,
            sender=Sender(send, suite.key_bytes, suite.aead, order.rotate_bytes, suite.max_records),
            receiver=Receiver(receive, suite.key_bytes, suite.aead),
            tag_bytes=suite.tag_bytes,
            row=base(order.slot),
        )
        if order.compression and self._codec is not None:
            session.inflate = self._codec.inflate
        self._world.sessions[session.index] = session
        self._aim(session, order)
        if order.use:
            peer.session, peer.elsewhere = session, None
            self._loop.outbound.release(peer)
            self._loop.channels.wake(peer)

    def _session_move(self, order: orders.SessionMove) -> None:
        session = self._world.sessions.get(order.session)
        if session is None:
            return
        self._aim(session, order)
        if order.use:
            session.peer.session, session.peer.elsewhere = session, None
            self._loop.outbound.release(session.peer)
            self._loop.channels.wake(session.peer)

    def _session_compress(self, order: orders.SessionCompress) -> None:
        session = self._world.sessions.get(order.session)
        if session is not None and self._codec is not None:
            session.squeeze = self._codec.squeeze

    def _aim(self, session: Session, order: orders.SessionAdd | orders.SessionMove | orders.SendChallenge) -> None:
        session.link = self._loop.links.get(order.link)
        session.source = order.to
        session.reported = None
        if order.local is not None and order.to is not None and session.link is not None:
            answer_from(session.link, order.to, order.local)

    def _beat(self, order: orders.Beat) -> None:
        """The loop has come to this question, so it turns."""
        self._world.counters[BEAT_AT] = int(self._loop.clock() * 1e6)
        self._world.counters[BEAT] = order.number

    def _worker_join(self, order: orders.WorkerJoin) -> None:
        self._loop.join(order.worker, socket.socket(fileno=order.socket))

    def _tun(self, order: orders.Tun) -> None:
        self._loop.use_tun(order.tun, device=order.device)

    def _session_elsewhere(self, order: orders.SessionElsewhere) -> None:
        """Another worker has a session, or has it no more."""
        if order.worker is None:
            self._world.elsewhere.pop(order.session, None)
        else:
            self._world.elsewhere[order.session] = self._loop.mesh.records_to(order.worker)

    def _peer_elsewhere(self, order: orders.PeerElsewhere) -> None:
        """A peer's packets go out by a session of another worker, or no more."""
        peer = self._world.peers.get(order.peer)
        if peer is None:
            return
        if order.worker is None:
            peer.elsewhere = None
            return
        peer.session = None
        peer.elsewhere = self._loop.mesh.packets_to(order.worker)
        while peer.waiting:
            peer.elsewhere(peer.waiting.popleft())
        peer.waiting_bytes = 0

    def _session_drop(self, order: orders.SessionDrop) -> None:
        session = self._world.sessions.get(order.session)
        if session is None:
            return
        if session.peer.session is session:
            session.peer.session = None
        if not order.linger:
            del self._world.sessions[session.index]
            session.sender.wipe()
            session.receiver.wipe()

    def _channel_open(self, order: orders.ChannelOpen) -> None:
        peer = self._world.peers.get(order.peer)
        if peer is None:
            os.close(order.socket)
            self._loop.reporting.channel_closed(order.peer, order.channel, order.opening)
        else:
            channel = Channel(peer, order.channel, order.opening, order.socket, order.rate, carrier=order.carrier)
            self._loop.channels.open(channel)

    def _channel_close(self, order: orders.ChannelClose) -> None:
        peer = self._world.peers.get(order.peer)
        if peer is not None:
            self._loop.channels.close(peer, order.channel)

    def _peers(self, order: orders.Peers) -> None:
        """Those that came, and those that are others than before."""
        scheduled, peers = self._loop.scheduled, self._world.peers
        for name, prefixes, rate in order.peers:
            peer = peers.get(name)
            if peer is None:
                peer = peers[name] = Peer(name)
            self._world.allow(peer, map(ipaddress.ip_network, prefixes))
            if scheduled is not None and rate != peer.rate:
                scheduled.limit(peer, rate)
            peer.rate = rate

    def _peers_renewed(self, order: orders.PeersRenewed) -> None:
        for name in order.names:
            peer = self._world.peers.get(name)
            if peer is not None:
                self._world.drop_waiting(peer)
                self._loop.channels.forget(peer)

    def _peers_unreached(self, order: orders.PeersUnreached) -> None:
        for name in order.names:
            peer = self._world.peers.get(name)
            if peer is not None:
                self._world.drop_waiting(peer)

    def _peers_gone(self, order: orders.PeersGone) -> None:
        for name in order.names:
            gone = self._world.forget(name)
            if gone is not None:
                self._loop.channels.forget(gone)

    def _change_routes(self, order: orders.Routes) -> None:
        peers = self._world.peers
        put = ((ipaddress.ip_network(prefix), peers[name]) for prefix, name in order.put if name in peers)
        self._world.route(put, map(ipaddress.ip_network, order.gone))

    def _overlay(self, order: orders.Overlay) -> None:
        self._world.set_overlay(map(ipaddress.ip_interface, order.own), hub=order.hub)
        self._loop.begin()

    def _addresses_slice(self, order: orders.Addresses) -> None:
        """A slice of this host's addresses; the last one swaps them in."""
        self._addresses.extend(map(ipaddress.ip_address, order.addresses))
        if order.last:
            self._world.set_addresses(self._addresses)
            self._addresses = []

    def _qos(self, order: orders.Qos) -> None:
        """Schedule traffic by classes, or no longer. Who waits for an answer waits for this process, too."""
        wanted = order.settings
        ask_for_slices(USUAL if wanted is None else SHORT_SLICE)
        self._loop.schedule(
            Scheduling(
                tuple(rule_from(rule) for rule in wanted["rules"]),
                Limits(wanted["queue_bytes"], wanted["queue_packets"], wanted["total_bytes"], tuple(wanted["weights"])),
            )
            if wanted is not None
            else None
        )

    def _send_message(self, order: orders.SendMessage) -> None:
        session = self._world.sessions.get(order.session)
        if session is not None:
            self._loop.outbound.message(session, order.type, order.channel, order.body)

    def _send_challenge(self, order: orders.SendChallenge) -> None:
        """A message by another path than the session's own, which it keeps."""
        session = self._world.sessions.get(order.session)
        if session is None or order.link not in self._loop.links:
            return
        before = session.link, session.source, session.reported
        self._aim(session, order)
        self._loop.outbound.message(session, order.type, 0, order.body)
        session.link, session.source, session.reported = before

    def _send_probe(self, order: orders.SendProbe) -> None:
        """A message padded to one datagram of the size asked for, whatever records are cut into."""
        session = self._world.sessions.get(order.session)
        if session is None or session.source is not None or not adapts(session.link):
            return
        link = session.link
        session.link = Whole(link)
        padded = order.body.ljust(order.datagram - HEADER_BYTES - session.tag_bytes, b"\0")
        self._loop.outbound.message(session, order.type, 0, padded)
        session.link = link

    def _send_packet(self, order: orders.SendPacket) -> None:
        link = self._loop.links.get(order.link)
        if link is None:
            return
        self._loop.reporting.gate.spoke(order.link, order.to)
        if order.to is not None and order.local is not None:
            answer_from(link, order.to, order.local)
        link.send_packet(order.packet, order.to)

    def _stop(self, _order: orders.Stop) -> None:
        self._loop.stop()
