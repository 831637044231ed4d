"""The sockets between the workers of one node: what came to the wrong worker goes over them to the right one, in order.

One SOCK_SEQPACKET pair for every two workers, made by the control process. A worker that does not keep up loses what is for it,
counted by the one that would have handed it over; nobody waits for anybody.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from appliance.dataplane.handover import MAX_MESSAGE, PACKET, Record, decode_record, encode_record, send_packet

if TYPE_CHECKING:
    from appliance.api.transport import Driver, SocketAddress
    from appliance.api.values import Octets
    from appliance.dataplane.outbound import Outbound
    from appliance.dataplane.peers import HandOver, World

BUDGET: Final = 64
"""Messages a turn from one worker; the packets among them are gathered into records."""


class Mesh:
    """This worker's ends. What comes leaves by `outbound`. `take_record` opens a record that was handed over; `name_link` tells a
    link's number and which of this host's addresses a far end spoke to there."""

    def __init__(
        self,
        world: World,
        outbound: Outbound,
        take_record: Callable[[Record], None],
        name_link: Callable[[Driver, SocketAddress | None], tuple[int, str | None]],
    ) -> None:
        self._world = world
        self.outbound = outbound
        self._take_record = take_record
        self._name_link = name_link
        self._ends: dict[int, socket.socket] = {}
        self._buffer = memoryview(bytearray(MAX_MESSAGE))

    def join(self, worker: int, end: socket.socket) -> None:
        """Reach a worker by this socket from now on."""
        end.settimeout(0)
        before = self._ends.pop(worker, None)
        if before is not None:
            before.close()
        self._ends[worker] = end

    def packets_to(self, worker: int) -> Callable[[bytes], None]:
        """What hands a packet (virtio header in front) over to a worker."""
        return lambda entry: self._send(worker, (PACKET, entry))

    def records_to(self, worker: int) -> HandOver:
        """What hands a record over to a worker."""

        def hand_over(link: Driver, header: Octets, body: Octets, source: SocketAddress | None) -> None:
            number, local = self._name_link(link, source)
            self._send(worker, encode_record(number, source, local, header, body))

        return hand_over

    def receive(self, descriptor: int) -> None:
        """Take what another worker handed over."""
        end = next((end for end in self._ends.values() if end.fileno() == descriptor), None)
        if end is not None:
            self._receive(end)
            self.outbound.flush()

    def _receive(self, end: socket.socket) -> None:
        buffer, world, outbound = self._buffer, self._world, self.outbound
        for _ in range(BUDGET):
            try:
                size = end.recv_into(buffer)
            except BlockingIOError:
                return
            except OSError:
                size = 0
            if not size:  # it has died; the control process brings the socket of the next one
                end.close()
                return
            if not buffer[0]:
                send_packet(world, outbound, buffer[1:size])
            else:
                outbound.flush()  # the record may be answered through the same buffer
                self._take_record(decode_record(buffer[:size]))

    def _send(self, worker: int, message: tuple[Octets, ...]) -> None:
        try:
            self._ends[worker].sendmsg(message)
        except (OSError, KeyError):  # not keeping up, or dead
            self._world.drop("handover_busy")
