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

from appliance.api.transport import Buffers
from appliance.dataplane.handover import Record
from appliance.dataplane.inbound import Upward, compile_inbound
from appliance.dataplane.outbound import TRANSMIT_BYTES, compile_outbound
from appliance.dataplane.peers import Peer, World
from appliance.dataplane.scheduled import Scheduled, Scheduling, compile_scheduled
from appliance.wire.envelope import HEADER, HEADER_BYTES, no_session
from appliance.worker import pairs, reports
from appliance.worker.abilities import offloads
from appliance.worker.channels import Channels
from appliance.worker.losses import MILLISECONDS, Losses
from appliance.worker.mesh import Mesh
from appliance.worker.orders import ORDERS
from appliance.worker.reporting import Reporting, local_of
from appliance.worker.shallow import deepen, shorten

if TYPE_CHECKING:
    from appliance.api.transport import Driver, DropReason, SocketAddress
    from appliance.worker.devices import Device
    from appliance.worker.messages import Message

RECEIVE_BYTES: Final = 512 * 1024
PLAIN_BYTES: Final = 128 * 1024
DEAD_MAN: Final = 30.0
"""Seconds of forwarding without a control process: long enough for its restart, short enough not to outlive a removed node."""
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
        self.clock = clock
        self._epoll = select.epoll()
        self._running = True
        self._paused = False
        self._patience = -1.0
        self.dead_man = DEAD_MAN
        self._deadline: float | None = None
        self._next_unknown = 0.0
        self._losses = Losses()
        self.world = World(counters, self._want, self._blocked)
        self.reporting = say = Reporting(control, self.world, self._numbers, self._closed, clock)
        transmit = memoryview(bytearray(TRANSMIT_BYTES))
        self._read = read = device.reader(self.world)
        self._plain = self.outbound = compile_outbound(self.world, read, transmit)
        self.scheduled: Scheduled | None = None
        self._depths: dict[int, int] = {}
        receive, plain = memoryview(bytearray(RECEIVE_BYTES)), memoryview(bytearray(PLAIN_BYTES))
        self.buffers = Buffers(transmit, receive, plain, self._dropped, self.say_offload)
        self.channels = Channels(
            self.world,
            transmit,
            self.outbound.send_body,
            self._epoll,
            say.channel_closed,
            say.channels_used,
            clock,
            time.process_time,
        )
        self._unread: set[Driver] = set()
        upward = Upward(
            say.packet, say.message, say.moved, say.aside, say.stalled, self._say_unknown, say.raised, self.channels.take
        )
        self._compile_inbound = partial(compile_inbound, self.world, device.writer(self.world), up=upward)
        self._sink_for = self._compile_inbound(self.outbound)
        self.mesh = Mesh(self.world, self.outbound, self._take_record, self._name_link)
        self.world.tun_failed = self._tun_failed
        self._begun = self._hears_tun = False
        self._epoll.register(control.fileno(), IN)
        self.handle: Callable[[Message], None] | None = None

    def run(self) -> None:  # noqa: C901 - one honest sequence
        """Move packets until told to stop, or until the control process has been gone for `dead_man` seconds."""
        world, pump, serve, tun, poll = self.world, self.outbound.pump, self.outbound.serve, self._tun, self._epoll.poll
        by_descriptor, control, clock, channels = self._by_descriptor, self._control.fileno(), self.clock, self.channels
        losses = self._losses
        while self._running:
            try:
                wait = self._patience if serve is None else self._no_longer(serve())
                events = channels.poll(wait) if channels.pressing else poll(wait)
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
                if world.now - losses.looked & 0xFFFFFFFF >= MILLISECONDS:
                    self._look_for_losses()
            except BaseException as error:  # noqa: BLE001  a mistake of ours, or a plugin's, must not cost everybody's sessions
                self._failed(error)
                pump, serve = self.outbound.pump, self.outbound.serve
            if self._deadline is not None and clock() > self._deadline:
                return

    def _failed(self, error: BaseException) -> None:
        """A turn raised: go on with the next, and with an empty transmit buffer."""
        self.world.drop("raised")
        self.reporting.raised(error)
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
            self.reporting.say(reports.TunLost(number))
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
        self.scheduled = compile_scheduled(self.world, self._read, self._plain, settings, self.clock) if settings else None
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
            self.reporting.gate.add(number, remote)
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
        if number is not None and offloads(link):
            self.reporting.say(reports.LinkOffloads(number, link.offload_problem))

    def drop_link(self, number: int) -> None:
        """Close a link and forget it. Sessions that used it keep their keys and wait for another."""
        link = self.links.pop(number, None)
        if link is None:
            return
        self.reporting.gate.forget(number)
        descriptor = link.fileno()
        self._unblock(link)
        self._epoll.unregister(descriptor)
        self._losses.forget(number)
        self._depths.pop(descriptor, None)
        for kind in (self._deaf, self._alone, self._unread):
            kind.discard(link)
        del self._by_descriptor[descriptor], self._sinks[descriptor], self._numbers[link], self._whole[link]
        for session in self.world.sessions.values():
            if session.link is link:
                session.link = None
        self.reporting.forget(link)
        with suppress(Exception):  # a plugin's
            link.close()

    def _look_for_losses(self) -> None:
        for number, lost in self._losses.look(self.links, self.world.now):
            self.reporting.say(reports.LinkLoss(number, lost))

    def _closed(self, link: Driver) -> None:
        number = self._numbers[link]
        self.drop_link(number)
        self.reporting.say(reports.LinkClosed(number))

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
        return self._numbers[link], local_of(link, source)

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
            self._deadline = self.clock() + self.dead_man
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
                    self.reporting.say(reports.LinkLimited(number, HEADER_BYTES + link.whole_bytes))

    def _say_unknown(self, link: Driver, source: SocketAddress | None, stream: int) -> None:
        """Tell the sender that its session is not here, so that it calls again now and not after a minute of silence."""
        now = self.clock()
        if now >= self._next_unknown:
            self._next_unknown = now + UNKNOWN_GAP
            link.send_packet(no_session(stream, self.world.now), source)

    def _want(self, peer: Peer) -> None:
        self.reporting.want(peer)


def answer_from(link: Driver, to: SocketAddress, local: str) -> None:
    """What goes to a far end over a listener leaves from this address of the host, where the listener has several."""
    reply_from = getattr(link, "reply_from", None)
    if reply_from is not None:
        reply_from(to, local)
