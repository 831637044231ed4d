"""The worker's loop: one epoll over the packet device, the links and the control socket. Nothing else runs in this process.

The packet device is called the TUN here, which it is but for nodes without a host (`devices`).

A turn moves at most a few records in each direction, so neither starves. When the only session's link is congested, the TUN is
left unread, and its queue in the kernel holds the senders back; with more sessions a full link's packets are dropped instead.

This process has everybody's keys, so nothing that arrives may end it. What raises by a mistake of ours is counted, told to the
control process now and then, and left behind.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from appliance.api.transport import Buffers, OffloadingDriver
from appliance.dataplane.handover import Record
from appliance.dataplane.inbound import Upward, compile_inbound
from appliance.dataplane.outbound import TRANSMIT_BYTES, compile_outbound
from appliance.dataplane.peers import Peer, Session, World
from appliance.dataplane.scheduled import Scheduled, Scheduling, compile_scheduled
from appliance.errors import place_of
from appliance.wire.envelope import HEADER, HEADER_BYTES, no_session
from appliance.worker import pairs, reports
from appliance.worker.channels import Channels
from appliance.worker.gate import Gate
from appliance.worker.mesh import Mesh
from appliance.worker.orders import ORDERS
from appliance.worker.reports import REPORTS
from appliance.worker.shallow import deepen, shorten
from appliance.worker.talk import Talk

if TYPE_CHECKING:
    from appliance.api.transport import Driver, DropReason, SocketAddress
    from appliance.worker.blame import Fault
    from appliance.worker.devices import Device
    from appliance.worker.messages import Message

RECEIVE_BYTES: Final = 512 * 1024
PLAIN_BYTES: Final = 128 * 1024
DEAD_MAN: Final = 30.0
"""Seconds of forwarding without a control process: long enough for its restart, short enough not to outlive a removed node."""
LOSS_MILLISECONDS: Final = 500
"""Between two looks at what the links lost."""
LOSS_DATAGRAMS: Final = 500
"""Fewer than this say too little: the look waits for more."""

MOVED_MILLISECONDS: Final = 50
"""Between two words about a session whose records come from elsewhere: each makes the control process ask there once, until it is
answered."""
FAULTS_TOLD: Final = 20
"""The first faults of a driver or cipher are told one by one, later ones so many at a time."""
FAULTS_OF_A_LINK: Final = 20
"""What raises so often does not get well any more; another link may work."""
RAISED_GAP: Final = 10.0
"""Seconds between two words about mistakes of ours."""
UNKNOWN_GAP: Final = 0.02
"""Seconds between two words about unknown sessions: enough for a restarted node with hundreds of peers, no weapon."""

IN, OUT = select.EPOLLIN, select.EPOLLOUT


class Loop:
    """Owns every descriptor of the worker. `clock` gives seconds of a monotonic clock."""

    def __init__(
        self,
        device: Device,
        control: socket.socket,
        counters: memoryview,
        clock: Callable[[], float],
    ) -> None:
        self.links: dict[int, Driver] = {}
        self._numbers: dict[Driver, int] = {}
        self._whole: dict[Driver, int] = {}
        self._by_descriptor: dict[int, Driver] = {}
        self._sinks: dict[int, Any] = {}
        self._deaf: set[Driver] = set()
        self._alone: set[Driver] = set()
        """Links with one far end."""
        self._device = device
        self._tun = device.descriptor
        self._control = control
        self._clock = clock
        self._epoll = select.epoll()
        self._running = True
        self._paused = False
        self._patience = -1.0
        self._deadline: float | None = None
        self._next_unknown = 0.0
        self.blame: Callable[[BaseException], Fault | None] = lambda _error: None
        self._faults: dict[str, int] = {}
        self._faults_of: dict[Driver, int] = {}
        self._next_raised = 0.0
        self._raised = 0
        self._looked = 0
        self._arrivals: dict[int, tuple[int, int]] = {}
        self._lossy: set[int] = set()
        self.world = World(counters, self._want, self._blocked)
        transmit = memoryview(bytearray(TRANSMIT_BYTES))
        self._read = read = device.reader(self.world)
        self._plain = self.outbound = compile_outbound(self.world, read, transmit)
        self.scheduled: Scheduled | None = None
        self._depths: dict[int, int] = {}
        receive, plain = memoryview(bytearray(RECEIVE_BYTES)), memoryview(bytearray(PLAIN_BYTES))
        self.buffers = Buffers(transmit, receive, plain, self._dropped, self.say_offload)
        self.channels = Channels(
            self.world, transmit, self.outbound.send_body, self._epoll, self.report_channel_closed, clock, time.process_time
        )
        self._unread: set[Driver] = set()
        upward = Upward(
            self._up_packet,
            self._up_message,
            self._up_moved,
            self._up_stalled,
            self._say_unknown,
            self._up_raised,
            self.channels.take,
        )
        self._compile_inbound = partial(compile_inbound, self.world, device.writer(self.world), up=upward)
        self._sink_for = self._compile_inbound(self.outbound)
        self.gate = Gate(self.world.drop)
        self._talk = Talk(self.world.drop, self._clock)
        self.mesh = Mesh(self.world, self.outbound, self._take_record, self._name_link)
        self.world.tun_failed = self._tun_failed
        self._begun = self._hears_tun = False
        self._epoll.register(control.fileno(), IN)
        self.handle: Callable[[Message], None] | None = None

    def run(self) -> None:  # noqa: C901 - one honest sequence
        """Move packets until told to stop, or until the control process has been gone for DEAD_MAN seconds."""
        world, pump, serve, tun, poll = self.world, self.outbound.pump, self.outbound.serve, self._tun, self._epoll.poll
        by_descriptor, control, clock, channels = self._by_descriptor, self._control.fileno(), self._clock, self.channels
        while self._running:
            try:
                wait = self._patience if serve is None else self._no_longer(serve())
                events = poll(channels.wait(wait) if channels.pressing else wait)
                world.now = int(clock() * 1000) & 0xFFFFFFFF
                for descriptor, event in events:
                    if descriptor == tun:
                        if not pump() and world.blocked:
                            self._pause()
                    elif descriptor == control:
                        self._on_control()
                        pump, serve = self.outbound.pump, self.outbound.serve
                    else:
                        link = by_descriptor.get(descriptor)
                        if link is None:
                            if channels.heard(descriptor):
                                continue
                            self._on_mesh(descriptor)
                            pump, serve = self.outbound.pump, self.outbound.serve
                            continue
                        if event & OUT and link.flush():
                            self._unblock(link)
                        if event & ~OUT and not link.receive(self._sinks[descriptor]):
                            self._closed(link)
                if channels.pressing and not (events and channels.can_wait()):
                    self._serve_channels(events, others=not wait)
                if world.now - self._looked & 0xFFFFFFFF >= LOSS_MILLISECONDS:
                    self._look_for_losses()
            except BaseException as error:  # noqa: BLE001  a mistake of ours, or a plugin's, must not cost everybody's sessions
                self._failed(error)
                pump, serve = self.outbound.pump, self.outbound.serve
            if self._deadline is not None and clock() > self._deadline:
                return

    def _failed(self, error: BaseException) -> None:
        """A turn raised: go on with the next, and with an empty transmit buffer."""
        self.world.drop("raised")
        self._up_raised(error)
        with suppress(Exception):
            self._plain.flush()

    def _serve_channels(self, events: Iterable[tuple[int, int]], *, others: bool) -> None:
        """Let data channels have their share of this turn, and leave links unread over which more comes in for them."""
        noisy, before = self.channels.noisy, self._unread
        others = others or any(self._is_other(descriptor) for descriptor, _ in events)
        self._unread = before | {link for link in noisy if link in self._alone} if self.channels.turn(others) else set()
        noisy.clear()
        for link in self._unread ^ before:
            if link in self._numbers:
                self._epoll.modify(link.fileno(), self._hears(link) | (OUT if link in self.world.blocked else 0))

    def _is_other(self, descriptor: int) -> bool:
        """Is it one by which other traffic comes than that of data channels?"""
        link = self._by_descriptor.get(descriptor)
        if link is not None:
            return link not in self.channels.noisy
        return descriptor != self._control.fileno() and not self.channels.has(descriptor)

    def begin(self) -> None:
        """The tables are there: read the TUN from now on."""
        if not self._begun:
            self._begun = True
            self._hear_tun()

    def use_tun(self, descriptor: int, *, device: bool) -> None:
        """Read and write another TUN from now on. It takes the old one's place under its number, which the pipeline knows; not a
        `device`: there is none for now."""
        self._leave_tun()
        os.dup2(descriptor, self._tun, inheritable=False)
        os.close(descriptor)
        self._paused = False
        if device and self._begun:
            self._hear_tun()

    def _hear_tun(self) -> None:
        if not self._hears_tun:
            self._epoll.register(self._tun, IN)
            self._hears_tun = True

    def _set_tun(self, events: int) -> None:
        if self._hears_tun:
            self._epoll.modify(self._tun, events)

    def _leave_tun(self) -> None:
        """Before its descriptor is another file's: the old one would be polled as long as anybody has it open."""
        if self._hears_tun:
            self._epoll.unregister(self._tun)
            self._hears_tun = False

    def _tun_failed(self, number: int) -> None:
        """Nothing could be read where something was to be."""
        ended = self._device.has_ended(number)
        if ended is None:
            self._leave_tun()
            self._report(reports.TunLost(number))
        elif ended:
            self.stop()
        else:
            self.world.drop("malformed")

    def stop(self) -> None:
        """End after this turn."""
        self._running = False

    def schedule(self, settings: Scheduling | None) -> None:
        """Send in the order of traffic classes from now on; None: as it comes."""
        if self.scheduled is not None:
            self.scheduled.drain()
        self.scheduled = compile_scheduled(self.world, self._read, self._plain, settings, self._clock) if settings else None
        self.outbound = self.mesh.outbound = self.scheduled.outbound if self.scheduled else self._plain
        self._sink_for = self._compile_inbound(self.outbound)
        for descriptor, link in self._by_descriptor.items():
            self._sinks[descriptor] = self._sink_for(link)
            self._set_depth(descriptor)
        if self._paused:  # scheduling reads on whatever is congested
            self._paused = False
            self._set_tun(IN)

    def _set_depth(self, descriptor: int) -> None:
        """What is scheduled waits here, and not in the kernel."""
        if self.scheduled is not None and descriptor not in self._depths:
            self._depths[descriptor] = shorten(descriptor)
        elif self.scheduled is None and descriptor in self._depths:
            deepen(descriptor, self._depths.pop(descriptor))

    def _no_longer(self, wait: float) -> float:
        """Seconds to wait for events: as scheduling says, but without a control process not for long."""
        return wait if self._patience < 0 or 0 <= wait < self._patience else self._patience

    def add_link(self, number: int, link: Driver, *, deaf: bool = False, remote: SocketAddress | None = None) -> None:
        """Poll a link from now on, with its one far end `remote`; a `deaf` one is another worker's to read and only sent over."""
        descriptor = link.fileno()
        self.links[number] = link
        self._numbers[link] = number
        if remote is not None:
            self.gate.add(number, remote)
            self._alone.add(link)
        self.shaped(link)
        self._by_descriptor[descriptor] = link
        self._sinks[descriptor] = self._sink_for(link)
        self._set_depth(descriptor)
        if deaf:
            self._deaf.add(link)
        self._epoll.register(descriptor, self._hears(link))
        if getattr(link, "offload_problem", ""):
            self.say_offload(link)

    def join(self, worker: int, end: socket.socket) -> None:
        """Hand over to a worker, and take from it, by this socket."""
        self.mesh.join(worker, end)
        self._epoll.register(end.fileno(), IN)

    def shaped(self, link: Driver) -> None:
        """The control process knows the size of this link's datagrams."""
        self._whole[link] = link.whole_bytes

    def say_offload(self, link: Driver) -> None:
        """Tell whether the kernel cuts a link's datagrams; its driver may just have found out."""
        number = self._numbers.get(link)
        if number is not None and isinstance(link, OffloadingDriver):
            self._report(reports.LinkOffloads(number, link.offload_problem))

    def drop_link(self, number: int) -> None:
        """Close a link and forget it. Sessions that used it keep their keys and wait for another."""
        link = self.links.pop(number, None)
        if link is None:
            return
        self.gate.forget(number)
        descriptor = link.fileno()
        self._unblock(link)
        self._epoll.unregister(descriptor)
        self._arrivals.pop(number, None)
        self._depths.pop(descriptor, None)
        self._lossy.discard(number)
        self._deaf.discard(link)
        self._alone.discard(link)
        del self._by_descriptor[descriptor], self._sinks[descriptor], self._numbers[link], self._whole[link]
        for session in self.world.sessions.values():
            if session.link is link:
                session.link = None
        self._faults_of.pop(link, None)
        with suppress(Exception):  # a plugin's
            link.close()

    def _look_for_losses(self) -> None:
        """Tell the control process about links that lose datagrams, and once they no longer do."""
        self._looked = self.world.now
        for number, link in self.links.items():
            seen, expected = link.arrivals()
            seen_before, expected_before = self._arrivals.get(number, (0, 0))
            due = expected - expected_before
            if due < LOSS_DATAGRAMS:
                continue
            self._arrivals[number] = seen, expected
            lost = max(0.0, 1 - (seen - seen_before) / due)
            if lost or number in self._lossy:
                self._lossy.add(number)
                self._report(reports.LinkLoss(number, round(lost, 6)))

    def _closed(self, link: Driver) -> None:
        number = self._numbers[link]
        self.drop_link(number)
        self._report(reports.LinkClosed(number))

    def _blocked(self, link: Driver) -> None:
        if link.fileno() in self._by_descriptor:
            self._epoll.modify(link.fileno(), self._hears(link) | OUT)

    def _unblock(self, link: Driver) -> None:
        if link in self.world.blocked:
            self.world.blocked.discard(link)
            self._epoll.modify(link.fileno(), self._hears(link))
            self.channels.unblocked()
        if self._paused and not self.world.blocked:
            self._paused = False
            self._set_tun(IN)

    def _hears(self, link: Driver) -> int:
        return 0 if link in self._deaf or link in self._unread else IN

    def _pause(self) -> None:
        self._paused = True
        self._set_tun(0)

    def _on_mesh(self, descriptor: int) -> None:
        """Another worker handed something over: first hear what the control process said before that."""
        while self._on_control():
            pass
        self.mesh.receive(descriptor)

    def _take_record(self, record: Record) -> None:
        """Open a record that came to another worker. By a link that is not here, it counts as come over its session's own."""
        link, source = self.links.get(record.link), record.source
        if link is None:
            session = self.world.sessions.get(HEADER.unpack_from(record.header)[3] >> 8)
            if session is None or session.link is None:
                self.world.drop("unknown_session")
                return
            link, source = session.link, session.source
        elif record.local is not None and source is not None:
            answer_from(link, source, record.local)
        self._sinks[link.fileno()](record.header, record.room, record.room, source)

    def _name_link(self, link: Driver, source: SocketAddress | None) -> tuple[int, str | None]:
        return self._numbers[link], _local(link, source)

    def _on_control(self) -> bool:
        """Do what one message says. False: none is there."""
        if self._deadline is not None:
            return False
        try:
            message, descriptors = pairs.receive(self._control)
        except BlockingIOError:
            return False
        except OSError:
            message, descriptors = b"", []
        if not message:
            self._epoll.unregister(self._control.fileno())
            self._deadline = self._clock() + DEAD_MAN
            self._patience = 1.0
            return False
        if self.handle is not None:
            self.handle(ORDERS.decode(message, descriptors))
        return True

    def _dropped(self, reason: DropReason, count: int) -> None:
        """A driver dropped something. When that was too long, the driver may have learned what is not."""
        self.world.drop(reason, count)
        if reason == "oversized":
            for link, number in self._numbers.items():
                if link.whole_bytes < self._whole[link]:
                    self.shaped(link)
                    self._report(reports.LinkLimited(number, HEADER_BYTES + link.whole_bytes))

    def _report(self, report: Message) -> None:
        try:
            pairs.send(self._control, *REPORTS.encode(report))
        except OSError:  # not keeping up, or gone: a lost handshake packet is sent again by its peer
            self.world.drop("control_busy")

    def _up_packet(self, link: Driver, source: SocketAddress | None, packet: bytes) -> None:
        number = self._numbers[link]
        if self.gate.passes(number, link, source, packet, self._clock()):
            self._report(reports.Packet(number, source, _local(link, source), packet))

    def _up_message(self, session: Session, kind: int, number: int, body: bytes) -> None:
        if self._talk.passes(session, kind):
            self._report(reports.Message(session.index, kind, number, body))

    def _up_moved(self, session: Session, link: Driver, source: SocketAddress | None) -> None:
        now = self.world.now
        if session.reported is None or now - session.reported & 0xFFFFFFFF >= MOVED_MILLISECONDS:
            session.reported = now
            self._report(reports.Moved(session.index, self._numbers[link], source, _local(link, source)))

    def _up_stalled(self, session: Session) -> None:
        self._report(reports.Stalled(session.index))

    def _up_raised(self, error: BaseException) -> None:
        fault = self.blame(error)
        if fault is not None:
            self._up_fault(fault)
            return
        self._raised += 1
        now = self._clock()
        if now >= self._next_raised:
            self._next_raised = now + RAISED_GAP
            self._report(reports.Raised(place_of(error), self._raised))
            self._raised = 0

    def _up_fault(self, fault: Fault) -> None:
        """A plugin's driver or cipher raised: tell which, and give up a link whose driver does so again and again."""
        times = self._faults[fault.import_path] = self._faults.get(fault.import_path, 0) + 1
        if times <= FAULTS_TOLD or not times % FAULTS_TOLD:
            self._report(reports.Fault(fault.import_path, fault.place, times))
        if fault.subject in self._numbers:
            faults = self._faults_of[fault.subject] = self._faults_of.get(fault.subject, 0) + 1
            if faults >= FAULTS_OF_A_LINK:
                self._closed(fault.subject)

    def refuse_link(self, number: int, driver: str, error: BaseException) -> None:
        """The driver of that import path cannot be made, or is none."""
        self._report(reports.Fault(driver, f"{type(error).__name__}: {error}", 1))
        self._report(reports.LinkClosed(number))

    def _say_unknown(self, link: Driver, source: SocketAddress | None, stream: int) -> None:
        """Tell the sender that its session is not here, so that it calls again now and not after a minute of silence."""
        now = self._clock()
        if now >= self._next_unknown:
            self._next_unknown = now + UNKNOWN_GAP
            link.send_packet(no_session(stream, self.world.now), source)

    def report_channel_closed(self, peer: str, number: int, opening: int) -> None:
        """A data channel is no more, and nobody has told this worker to close it."""
        self._report(reports.ChannelClosed(peer, number, opening))

    def _want(self, peer: Peer) -> None:
        self._report(reports.Want(peer.name))


def answer_from(link: Driver, to: SocketAddress, local: str) -> None:
    """What goes to a far end over a listener leaves from this address of the host, where the listener has several."""
    reply_from = getattr(link, "reply_from", None)
    if reply_from is not None:
        reply_from(to, local)


def _local(link: Driver, source: SocketAddress | None) -> str | None:
    """Which of this host's addresses a far end spoke to, where the link is a listener with several."""
    local_of = getattr(link, "local_of", None)
    return local_of(source) if local_of is not None and source is not None else None
