"""What the control process may tell the worker, and how each message changes the world. Trusted input, cold path."""

from __future__ import annotations

import ipaddress
import os
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from appliance.api.transport import AdaptiveDriver, OffloadingDriver
from appliance.dataplane.classes import rule_from
from appliance.dataplane.counters import BEAT, base
from appliance.dataplane.peers import Peer, Session
from appliance.dataplane.scheduled import Scheduling
from appliance.dataplane.scheduler import Limits
from appliance.dataplane.session import AeadFactory, Receiver, Sender
from appliance.linux.scheduling import SHORT_SLICE, USUAL, ask_for_slices
from appliance.wire.envelope import HEADER_BYTES, MAX_BODY_BYTES
from appliance.worker.loop import answer_from

if TYPE_CHECKING:
    from appliance.dataplane.compression import Codec
    from appliance.worker.loop import Loop

Fields = dict[str, Any]
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
    """Applies messages to a loop's world. `suites`, `drivers` and `codec` (None: nobody wants compression) were loaded before the
    privileges went."""

    def __init__(self, loop: Loop, suites: dict[str, Suite], drivers: dict[str, Any], codec: Codec | None = None) -> None:
        self._loop = loop
        self._world = loop.world
        self._suites = suites
        self._drivers = drivers
        self._codec = codec
        self._routes: list[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, Peer]] = []
        self._addresses: list[ipaddress.IPv4Address | ipaddress.IPv6Address] = []
        self._by_kind: dict[str, Callable[[Fields, bytes, list[int]], None]] = {
            "link.add": self._link_add,
            "link.drop": self._link_drop,
            "link.shape": self._link_shape,
            "cookies": self._cookies,
            "cookies.wanted": self._cookies_wanted,
            "link.protect": self._link_protect,
            "link.offload": self._link_offload,
            "mesh": self._mesh,
            "tun": self._tun,
            "session.add": self._session_add,
            "session.elsewhere": self._session_elsewhere,
            "session.move": self._session_move,
            "session.compress": self._session_compress,
            "session.drop": self._session_drop,
            "peer.elsewhere": self._peer_elsewhere,
            "peers": self._peers,
            "addresses": self._addresses_slice,
            "routes": self._routes_slice,
            "qos": self._qos,
            "rates": self._rates,
            "message": self._message,
            "challenge": self._challenge,
            "beat": self._beat,
            "probe": self._probe,
            "packet": self._packet,
            "stop": self._stop,
        }

    def handle(self, kind: str, fields: Fields, payload: bytes, descriptors: list[int]) -> None:
        """Apply one message."""
        self._by_kind[kind](fields, payload, descriptors)

    def _link_add(self, fields: Fields, _payload: bytes, descriptors: list[int]) -> None:
        sock = socket.socket(fileno=descriptors[0])
        sock.settimeout(0)
        remote = fields["remote"]
        remote = (str(remote[0]), int(remote[1])) if remote else None
        try:
            driver = self._drivers[fields["driver"]](sock, fields["options"], self._loop.buffers)
            lacking = [member for member in DRIVER if not hasattr(driver, member)]
            if lacking:
                raise TypeError(f"the driver lacks {', '.join(lacking)}")
            self._loop.add_link(fields["link"], driver, deaf=fields["deaf"], remote=remote)
        except BaseException as error:  # noqa: BLE001  a plugin's fault must not end the worker
            self._loop.refuse_link(fields["link"], fields["driver"], error)
            sock.close()

    def _link_drop(self, fields: Fields, _payload: bytes, _descriptors: list[int]) -> None:
        self._loop.drop_link(fields["link"])

    def _link_protect(self, fields: Fields, _payload: bytes, _descriptors: list[int]) -> None:
        link = self._loop.links.get(fields["link"])
        if link is not None:
            link.protect(fields["span"])

    def _link_offload(self, fields: Fields, _payload: bytes, _descriptors: list[int]) -> None:
        link = self._loop.links.get(fields["link"])
        if isinstance(link, OffloadingDriver):
            link.try_offload()
            self._loop.say_offload(link)

    def _link_shape(self, fields: Fields, _payload: bytes, _descriptors: list[int]) -> None:
        link = self._loop.links.get(fields["link"])
        if isinstance(link, AdaptiveDriver):
            link.shape(fields["datagram"])
            self._loop.shaped(link)

    def _cookies(self, fields: Fields, _payload: bytes, _descriptors: list[int]) -> None:
        secret = bytes.fromhex(fields["secret"])
        self._loop.gate.configure(secret, fields["handshakes_per_second"], time.monotonic())

    def _cookies_wanted(self, fields: Fields, _payload: bytes, _descriptors: list[int]) -> None:
        self._loop.gate.want_cookies(fields["wanted"])

    def _session_add(self, fields: Fields, payload: bytes, _descriptors: list[int]) -> None:
        """The payload is both chains, one after the other, which are of one length."""
        suite = self._suites[fields["suite"]]
        peer = self._world.peers[fields["peer"]]
        half = len(payload) // 2
        send, receive = payload[:half], payload[half:]
        session = Session(
            index=fields["session"],
            remote_index=fields["remote"],
            peer=peer,
            sender=Sender(send, suite.key_bytes, suite.aead, fields["rotate_bytes"], suite.max_records),
            receiver=Receiver(receive, suite.key_bytes, suite.aead),
            tag_bytes=suite.tag_bytes,
            row=base(fields["slot"]),
        )
        if fields["compression"] and self._codec is not None:
            session.inflate = self._codec.inflate
        self._world.sessions[session.index] = session
        self._aim(session, fields)
        if fields["use"]:
            peer.session, peer.elsewhere = session, None
            self._loop.outbound.release(peer)

    def _session_move(self, fields: Fields, _payload: bytes, _descriptors: list[int]) -> None:
        session = self._world.sessions.get(fields["session"])
        if session is None:
            return
        self._aim(session, fields)
        if fields["use"]:
            session.peer.session, session.peer.elsewhere = session, None
            self._loop.outbound.release(session.peer)

    def _session_compress(self, fields: Fields, _payload: bytes, _descriptors: list[int]) -> None:
        session = self._world.sessions.get(fields["session"])
        if session is not None and self._codec is not None:
            session.squeeze = self._codec.squeeze

    def _aim(self, session: Session, fields: Fields) -> None:
        session.link = self._loop.links.get(fields["link"])
        session.source = source = (str(fields["to"][0]), int(fields["to"][1])) if fields["to"] else None
        session.reported = None
        if fields["local"] is not None and source is not None and session.link is not None:
            answer_from(session.link, source, fields["local"])

    def _beat(self, fields: Fields, _payload: bytes, _descriptors: list[int]) -> None:
        """The loop has come to this question, so it turns."""
        self._world.counters[BEAT] = fields["number"]

    def _mesh(self, fields: Fields, _payload: bytes, descriptors: list[int]) -> None:
        self._loop.join(fields["worker"], socket.socket(fileno=descriptors[0]))

    def _tun(self, fields: Fields, _payload: bytes, descriptors: list[int]) -> None:
        self._loop.use_tun(descriptors[0], device=fields["device"])

    def _session_elsewhere(self, fields: Fields, _payload: bytes, _descriptors: list[int]) -> None:
        """Another worker has a session, or has it no more."""
        if fields["worker"] is None:
            self._world.elsewhere.pop(fields["session"], None)
        else:
            self._world.elsewhere[fields["session"]] = self._loop.mesh.records_to(fields["worker"])

    def _peer_elsewhere(self, fields: Fields, _payload: bytes, _descriptors: list[int]) -> None:
        """A peer's packets go out by a session of another worker, or no more."""
        peer = self._world.peers.get(fields["peer"])
        if peer is None:
            return
        if fields["worker"] is None:
            peer.elsewhere = None
            return
        peer.session = None
        peer.elsewhere = self._loop.mesh.packets_to(fields["worker"])
        while peer.waiting:
            peer.elsewhere(peer.waiting.popleft())
        peer.waiting_bytes = 0

    def _session_drop(self, fields: Fields, _payload: bytes, _descriptors: list[int]) -> None:
        session = self._world.sessions.get(fields["session"])
        if session is None:
            return
        if session.peer.session is session:
            session.peer.session = None
        if not fields["linger"]:
            del self._world.sessions[session.index]
            session.sender.wipe()
            session.receiver.wipe()

    def _peers(self, fields: Fields, _payload: bytes, _descriptors: list[int]) -> None:
        """A slice of the peers' table: names with allowed prefixes; peers that `gone` names are forgotten."""
        for name in fields["gone"]:
            self._world.peers.pop(name, None)
        peers = self._world.peers
        for name, _ in fields["peers"]:
            if name not in peers:
                peers[name] = Peer(name)
        self._world.allow((peers[name], map(ipaddress.ip_network, prefixes)) for name, prefixes in fields["peers"])

    def _routes_slice(self, fields: Fields, _payload: bytes, _descriptors: list[int]) -> None:
        """A slice of the forwarding table; the last one swaps the table in."""
        peers = self._world.peers
        self._routes.extend((ipaddress.ip_network(prefix), peers[name]) for prefix, name in fields["routes"] if name in peers)
        if fields["last"]:
            self._world.set_table(self._routes, map(ipaddress.ip_interface, fields["own"]))
            self._world.hub = fields["hub"]
            self._routes = []
            self._loop.begin()

    def _addresses_slice(self, fields: Fields, _payload: bytes, _descriptors: list[int]) -> None:
        """A slice of this host's addresses; the last one swaps them in."""
        self._addresses.extend(map(ipaddress.ip_address, fields["addresses"]))
        if fields["last"]:
            self._world.set_addresses(self._addresses)
            self._addresses = []

    def _qos(self, fields: Fields, _payload: bytes, _descriptors: list[int]) -> None:
        """Schedule traffic by classes, or no longer; no peer has a rate until "rates" says so. Who waits for an answer waits for
        this process, too."""
        wanted = fields["settings"]
        ask_for_slices(USUAL if wanted is None else SHORT_SLICE)
        for peer in self._world.peers.values():
            peer.rate = 0
        self._loop.schedule(
            Scheduling(
                tuple(rule_from(rule) for rule in wanted["rules"]),
                Limits(wanted["queue_bytes"], wanted["queue_packets"], wanted["total_bytes"], tuple(wanted["weights"])),
            )
            if wanted is not None
            else None
        )

    def _rates(self, fields: Fields, _payload: bytes, _descriptors: list[int]) -> None:
        """A slice of the peers' rates, in bytes a second."""
        scheduled = self._loop.scheduled
        for name, rate in fields["rates"]:
            if scheduled is not None and name in self._world.peers:
                scheduled.limit(self._world.peers[name], rate)

    def _message(self, fields: Fields, payload: bytes, _descriptors: list[int]) -> None:
        session = self._world.sessions.get(fields["session"])
        if session is not None:
            self._loop.outbound.message(session, fields["type"], fields["channel"], payload)

    def _challenge(self, fields: Fields, payload: bytes, _descriptors: list[int]) -> None:
        """A message by another path than the session's own, which it keeps."""
        session = self._world.sessions.get(fields["session"])
        if session is None or fields["link"] not in self._loop.links:
            return
        before = session.link, session.source, session.reported
        self._aim(session, fields)
        self._loop.outbound.message(session, fields["type"], 0, payload)
        session.link, session.source, session.reported = before

    def _probe(self, fields: Fields, payload: bytes, _descriptors: list[int]) -> None:
        """A message padded to one datagram of the size asked for, whatever records are cut into."""
        session = self._world.sessions.get(fields["session"])
        if session is None or session.source is not None or not isinstance(session.link, AdaptiveDriver):
            return
        link = session.link
        session.link = Whole(link)
        padded = payload.ljust(fields["datagram"] - HEADER_BYTES - session.tag_bytes, b"\0")
        self._loop.outbound.message(session, fields["type"], 0, padded)
        session.link = link

    def _packet(self, fields: Fields, payload: bytes, _descriptors: list[int]) -> None:
        link = self._loop.links.get(fields["link"])
        if link is None:
            return
        to = (str(fields["to"][0]), int(fields["to"][1])) if fields["to"] else None
        self._loop.gate.spoke(fields["link"], to)
        if to is not None and fields["local"] is not None:
            answer_from(link, to, fields["local"])
        link.send_packet(payload, to)

    def _stop(self, _fields: Fields, _payload: bytes, descriptors: list[int]) -> None:
        for descriptor in descriptors:
            os.close(descriptor)
        self._loop.stop()
