"""The far end of a node's packet device, on the control process's loop: a stack, the device, and the applications.

    worker ─ packet device ─ Stack ─┬─ Stream ─ AF_UNIX pair ─ application
                                    └─ Datagrams ─ pair ─ application

One packet is made at a time, and only when the device takes it; what an application writes is taken when it can be sent. So
nothing piles up here but what the stack bounds.
"""

from __future__ import annotations

import asyncio
import errno
import os
import select
import socket
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from appliance.foundation import clock, entropy
from appliance.foundation.logging import get_logger
from appliance.runtime.userspace import datagrams, streams
from appliance.runtime.userspace.datagrams import Datagrams
from appliance.runtime.userspace.pair import StreamPair
from appliance.runtime.userspace.streams import Stream
from appliance.tcp.flows import Flow
from appliance.tcp.stack import NoPort, Stack
from appliance.tcp.states import Ending
from appliance.wire.entries import MAX_PACKET, VNET_BYTES

if TYPE_CHECKING:
    from appliance.tcp.datagrams import Datagram, UdpPort
    from appliance.tcp.stack import Interface

log = get_logger("userspace")

PACKETS: Final = 64
"""Packets in each direction, and applications, in one turn of the loop."""
Opened = Callable[[socket.socket, bytes, int], None]
"""`opened(socket, address, port)`: somebody has connected from there."""
_ERRORS: Final = {Ending.REFUSED: errno.ECONNREFUSED, Ending.SILENT: errno.ETIMEDOUT, Ending.RESET: errno.ECONNRESET}


class Endpoint:
    """Must be made on a running loop."""

    def __init__(self, addresses: Iterable[Interface], mtu_bytes: int) -> None:
        self._device: socket.socket | None = None
        self._loop = asyncio.get_running_loop()
        self.stack = Stack(addresses, mtu_bytes, entropy.random_bytes(32), entropy.random_bytes, clock.monotonic())
        self.stack.refill = self._refill
        self._listeners: dict[int, Opened] = {}
        self._calling: dict[Flow, asyncio.Future[socket.socket]] = {}
        self._open: dict[int, Stream | Datagrams] = {}
        """By the descriptor of our end."""
        self._ports: dict[UdpPort, Callable[[], None]] = {}
        """What gives an application what came for its port."""
        self._epoll = select.epoll()
        self._room = bytearray(VNET_BYTES + MAX_PACKET)
        self._view = memoryview(self._room)
        self._stuck: bytes | None = None
        """A packet that the device has no room for."""
        self._again: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._now = clock.monotonic()
        self._loop.add_reader(self._epoll, self._hear_applications)

    def use_device(self, device: socket.socket) -> None:
        """Speak by this application's end of a packet device with virtio headers, which is the endpoint's own from now on."""
        self.leave_device()
        device.settimeout(0)
        self._device = device
        self._loop.add_reader(device, self._hear_device)
        self._turn()

    def leave_device(self) -> None:
        """Let go of the device. Connections wait for another one, as long as their timers do."""
        device, self._device, self._stuck = self._device, None, None
        if device is not None:
            self._loop.remove_reader(device)
            self._loop.remove_writer(device)
            device.close()

    def use(self, addresses: Iterable[Interface], mtu_bytes: int) -> None:
        """This node's addresses are these from now on, and packets of new connections that long."""
        self.stack.use(addresses, mtu_bytes)

    def end(self) -> None:
        """Reset all connections, and make no more."""
        for flow in list(self._calling):
            self._answer(flow, OSError(errno.ENETDOWN, os.strerror(errno.ENETDOWN)))
        for each in self._open.values():
            each.close()
            if isinstance(each, Stream):
                self.stack.forget(each.flow)
        self._open.clear()
        self._turn()
        for handle in (self._again, self._timer):
            if handle is not None:
                handle.cancel()
        self._loop.remove_reader(self._epoll)
        self._epoll.close()

    # ---- what applications ask for ----

    async def connect(self, address: bytes, port: int) -> socket.socket:
        """The application's end of a new connection. Raises OSError."""
        try:
            flow = self.stack.connect(address, port, clock.monotonic())
        except LookupError as error:
            raise OSError(errno.EADDRNOTAVAIL, str(error)) from error
        except NoPort as error:
            raise OSError(errno.EAGAIN, str(error)) from error
        flow.token = self
        answer = self._calling[flow] = self._loop.create_future()
        self._turn()
        try:
            await answer
        except asyncio.CancelledError:
            if not answer.cancelled() and answer.exception() is None:
                answer.result().close()
            raise
        finally:
            if self._calling.pop(flow, None) is not None:
                flow.connection.abort()
                self.stack.forget(flow)
                self._soon()
        theirs: socket.socket = answer.result()
        return theirs

    def connect_datagrams(self, address: bytes, port: int) -> socket.socket:
        """The application's end of a port for datagrams to and from there. Raises OSError."""
        try:
            return self.datagrams(0, (address, port), self.stack.source_for(address))
        except LookupError as error:
            raise OSError(errno.EADDRNOTAVAIL, str(error)) from error

    def datagrams(self, number: int, peer: tuple[bytes, int], local: bytes) -> socket.socket:
        """The application's end of a port of ours, 0 for a free one, for datagrams to and from there. Raises OSError."""
        try:
            ours = self.stack.open_udp(number, peer, local)
        except NoPort as error:
            raise OSError(errno.EADDRINUSE, str(error)) from error
        try:
            made = Datagrams(ours, self.stack)
        except BaseException:
            self.stack.close_udp(ours)
            raise
        self._ports[ours] = made.deliver
        self._watch(made, datagrams.WATCHED)
        return made.theirs

    def hear(self, number: int, heard: Callable[[Datagram], None]) -> UdpPort:
        """Take datagrams at a port from everybody who has none of his own. Raises NoPort."""
        port = self.stack.open_udp(number)

        def deliver() -> None:
            while port.received:
                heard(port.pop())

        self._ports[port] = deliver
        return port

    def send(self, port: UdpPort, local: bytes, peer: tuple[bytes, int], data: bytes) -> None:
        """A datagram from that port and address of ours."""
        self.stack.send_datagram(port, *peer, data, local)
        self._soon()

    def unhear(self, port: UdpPort) -> None:
        """Take no more there."""
        self.stack.close_udp(port)
        self._ports.pop(port, None)

    def listen(self, port: int, opened: Opened) -> int:
        """Let others connect to a port, 0 for a free one. Returns its number. Raises NoPort."""
        number = self.stack.listen(port)
        self._listeners[number] = opened
        return number

    def at_port(self, port: int) -> list[tuple[tuple[bytes, int], Stream | Datagrams]]:
        """What applications have at that port of ours, with the address and port of the peer."""
        found: list[tuple[tuple[bytes, int], Stream | Datagrams]] = []
        for each in self._open.values():
            if isinstance(each, Stream):
                key = each.flow.key
                if key.local_port == port:
                    found.append(((key.remote, key.remote_port), each))
            elif each.port.number == port and each.port.peer is not None:
                found.append((each.port.peer, each))
        return found

    def break_off(self, which: Iterable[Stream | Datagrams]) -> None:
        """End these at once."""
        for each in which:
            if isinstance(each, Stream):
                each.flow.connection.abort()
                self._deliver(each)
            else:
                self._drop_datagrams(each)
        self._soon()

    def unlisten(self, port: int) -> None:
        """Take no more connections there; those that are there go on."""
        self.stack.unlisten(port)
        self._listeners.pop(port, None)

    def figures(self) -> dict[str, int]:
        """How much there is, and what was counted."""
        return {
            **self.stack.flows.figures(),
            "memory": self.stack.memory.used,
            **{str(k): v for k, v in self.stack.counts.items()},
        }

    # ---- what happens ----

    def _hear_device(self) -> None:
        assert self._device is not None
        now = self._now = clock.monotonic()
        handle, room, view, receive = self.stack.handle_input, self._room, self._view, self._device.recv_into
        try:
            for _ in range(PACKETS):
                length = receive(room)
                if not length:
                    self.leave_device()  # the workers have ended
                    break
                handle(view[:length], now)
        except BlockingIOError:
            pass
        except OSError as error:
            log.debug("the packet device ended", reason=str(error))
            self.leave_device()
        self._turn()

    def _hear_applications(self) -> None:
        now = self._now = clock.monotonic()
        for descriptor, events in self._epoll.poll(0, PACKETS):
            there = self._open.get(descriptor)
            if isinstance(there, Stream):
                there.happened(events, now)
                self._deliver(there)
                self.stack.touched(there.flow)
            elif there is not None and not there.send():
                self._drop_datagrams(there)
        self._turn()

    def _hear_time(self) -> None:
        self._timer = None
        self._now = clock.monotonic()
        self.stack.handle_timeout(self._now)
        self._turn()

    def _turn(self) -> None:
        """Let applications see what happened, send what there is, and wait for what comes next."""
        self._again = None
        self._now = clock.monotonic()
        self._look()
        if self._stuck is None:
            self._send()
            self._look()
        self._arm()

    def _look(self) -> None:
        while (found := self.stack.poll_event()) is not None:
            if not isinstance(found, Flow):
                if found in self._ports:
                    self._ports[found]()
            elif isinstance(found.token, Stream):
                self._deliver(found.token)
            elif found in self._calling:
                self._called(found)
            elif found.token is None:
                self._take(found)

    def _send(self) -> None:
        if self._device is None:
            return
        send, poll = self._device.send, self.stack.poll_transmit
        for _ in range(PACKETS):
            entry = poll(self._now)
            if entry is None:
                return
            try:
                send(entry)
            except BlockingIOError:
                self._stuck = entry
                self._loop.add_writer(self._device, self._unstick)
                return
            except OSError as error:
                log.debug("a packet was not taken", reason=str(error))
        self._soon()

    def _unstick(self) -> None:
        device, entry = self._device, self._stuck
        assert device is not None
        assert entry is not None
        try:
            device.send(entry)
        except BlockingIOError:
            return
        except OSError as error:
            log.debug("a packet was not taken", reason=str(error))
        self._stuck = None
        self._loop.remove_writer(device)
        self._turn()

    def _soon(self) -> None:
        if self._again is None:
            self._again = self._loop.call_soon(self._turn)

    def _arm(self) -> None:
        due = self.stack.poll_timeout()
        if self._timer is not None:
            if due is not None and self._timer.when() <= due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = self._loop.call_at(due, self._hear_time)

    # ---- connections ----

    def _refill(self, flow: Flow) -> None:
        if isinstance(flow.token, Stream):
            flow.token.refill(self._now)

    def _deliver(self, stream: Stream) -> None:
        if not stream.deliver(self._now):
            del self._open[stream.descriptor]
            self.stack.forget(stream.flow)

    def _drop_datagrams(self, made: Datagrams) -> None:
        del self._open[made.descriptor]
        self.unhear(made.port)
        made.close()

    def _called(self, flow: Flow) -> None:
        """A connection that we open has got somewhere."""
        ending = flow.connection.ending
        if ending is not None:
            number = _ERRORS.get(ending, errno.ECONNABORTED)
            self._answer(flow, OSError(number, os.strerror(number)))
        elif flow.connection.opened:
            self._answer(flow, None)

    def _answer(self, flow: Flow, problem: OSError | None) -> None:
        answer = self._calling.pop(flow)
        theirs = None if problem or answer.done() else self._joined(flow)
        if theirs is not None:
            answer.set_result(theirs)
            return
        flow.connection.abort()
        self.stack.forget(flow)
        if not answer.done():
            answer.set_exception(problem or OSError(errno.EMFILE, os.strerror(errno.EMFILE)))

    def _take(self, flow: Flow) -> None:
        """A connection that somebody else has opened."""
        opened = self._listeners.get(flow.key.local_port)
        if flow.connection.ending is not None:
            self.stack.forget(flow)
        elif opened is None or (theirs := self._joined(flow)) is None:
            flow.connection.abort()
            self.stack.forget(flow)
        else:
            opened(theirs, flow.key.remote, flow.key.remote_port)

    def _joined(self, flow: Flow) -> socket.socket | None:
        """An application's end for it; None where there is no descriptor left."""
        try:
            pair = StreamPair()
        except OSError as error:
            log.warning("a stream was not accepted", reason=str(error))
            return None
        flow.token = stream = Stream(flow, pair)
        self._watch(stream, streams.WATCHED)
        self._deliver(stream)
        return pair.theirs

    def _watch(self, made: Stream | Datagrams, events: int) -> None:
        self._open[made.descriptor] = made
        self._epoll.register(made.descriptor, events)
