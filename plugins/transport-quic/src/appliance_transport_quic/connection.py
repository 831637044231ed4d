"""One QUIC connection that carries LLP datagrams: qh3's core, with its bounds and its errors. Knows no socket.

DATAGRAM frames are under congestion control (RFC 9221, section 5.4), which qh3 leaves to whoever sends them: what the window
(`window`) has no room for waits in `pending`, and whoever fills that is to stop while something waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from qh3.quic.connection import QuicConnection
from qh3.quic.events import (
    ConnectionIdIssued,
    ConnectionIdRetired,
    ConnectionTerminated,
    DatagramFrameReceived,
    HandshakeCompleted,
    StreamDataReceived,
)

from appliance_transport_quic.trains import UDP_PAYLOAD
from appliance_transport_quic.window import Window

if TYPE_CHECKING:
    from qh3.quic.configuration import QuicConfiguration

CRYPTO_ERROR: Final = 0x100
"""What is behind is an alert of TLS (RFC 9001, section 4.8)."""
H3_NO_ERROR: Final = 0x100
"""What a web server says to whom it does not serve (RFC 9114, section 8.1)."""
OVERHEAD: Final = 30
"""Bytes of a packet around an LLP datagram: between two of our own ends, whose connection IDs have 8 bytes."""
ROUNDS: Final = 64
"""How often the window is filled in one turn, so that one connection does not keep the others waiting."""

KernelAddress = tuple[Any, ...]
"""As recvmsg(2) gives it."""


class Connection:
    """What the other end sends never raises here: it ends the connection. Times are monotonic seconds."""

    def __init__(self, configuration: QuicConfiguration, original: bytes | None = None, retried: bytes | None = None) -> None:
        """`original`: the connection ID that a caller first wrote to; None if we call. `retried`: the one of our Retry."""
        self._quic = QuicConnection(
            configuration=configuration, original_destination_connection_id=original, retry_source_connection_id=retried
        )
        self.inbox: list[bytes] = []
        """LLP datagrams that came."""
        self.pending: deque[bytes] = deque()
        """LLP datagrams that wait for room in the congestion window."""
        self.ids: set[bytes] = {self._quic.host_cid}
        """The connection IDs that packets for it may go to."""
        self.established = False
        self.ended = ""
        """Why it is over, as a word to count: "closed", "tls", "malformed", "broken", "foreign" or "slow"; "" while it is not."""
        self._window = Window()
        self._sent = 0
        self.alert = 0
        """The alert of TLS that ended it; 0: none did."""
        self.said = ""
        """The other end's or qh3's reason."""

    def connect(self, to: KernelAddress, now: float) -> None:
        """Call."""
        self._quic.connect(to, now)

    def receive(self, data: bytes, segment: int, source: KernelAddress, now: float) -> None:
        """Take UDP payloads of `segment` bytes, one behind the other; the last may be shorter."""
        if self.ended:
            return
        try:
            self._quic.receive_gro_buffer(data, segment, source, now)
            self._take_events()
        except Exception as error:  # noqa: BLE001 - bytes of a stranger in a foreign library
            self._end("malformed", str(error))

    def handle_timer(self, now: float) -> None:
        """`timer` was due."""
        try:
            self._quic.handle_timer(now)
            self._take_events()
        except Exception as error:  # noqa: BLE001 - as above
            self._end("malformed", str(error))

    @property
    def timer(self) -> float | None:
        """When `handle_timer` wants to be called."""
        return None if self._is_beyond_words else self._quic.get_timer()

    def transmits(self, now: float) -> list[tuple[bytes, KernelAddress]]:
        """UDP payloads to send now, and where each goes to."""
        out: list[tuple[bytes, KernelAddress]] = []
        core = self._quic._core  # noqa: SLF001 - as in `_fill`
        if self._is_beyond_words or core is None:
            return out
        try:
            for _ in range(ROUNDS):
                self._fill(now)
                before = len(out)
                while (packet := core.poll_transmit(now)) is not None:
                    out.append((packet[0], packet[1]))
                if len(out) == before or not self.pending:
                    break
        except Exception as error:  # noqa: BLE001 - a far end that takes less than QUIC demands, or no DATAGRAM frames
            if self.established:
                self._end("broken", str(error))
            # else qh3 may not send more before the address is proved, and goes on when more came
        return out

    @property
    def _is_beyond_words(self) -> bool:
        return self.ended in ("malformed", "broken")

    def close(self, how: str = "closed") -> None:
        """End it; `transmits` has what is to be said about that."""
        if not self.ended:
            self._quic.close(error_code=H3_NO_ERROR)
            self._end(how, "")

    def _fill(self, now: float) -> None:
        pending = self.pending
        if not pending or not self.established or self.ended:
            return
        core = self._quic._core  # noqa: SLF001 - nothing public tells the window
        assert core is not None
        under_way = core.bytes_in_flight
        self._window.note(now, self._sent, under_way, core.loss_total * UDP_PAYLOAD, core.latest_rtt)
        room = self._window.size(now, core.congestion_window) - under_way
        while pending and room > 0:
            datagram = pending.popleft()
            self._quic.send_datagram_frame(datagram)
            room -= len(datagram) + OVERHEAD
            self._sent += len(datagram) + OVERHEAD

    def _take_events(self) -> None:
        while (event := self._quic.next_event()) is not None:
            if isinstance(event, DatagramFrameReceived):
                if event.data:  # an empty frame holds no datagram
                    self.inbox.append(event.data)
            elif isinstance(event, ConnectionIdIssued):
                self.ids.add(event.connection_id)
            elif isinstance(event, ConnectionIdRetired):
                self.ids.discard(event.connection_id)
            elif isinstance(event, HandshakeCompleted):
                self.established = True
            elif isinstance(event, ConnectionTerminated):
                self._terminated(event)
            elif isinstance(event, StreamDataReceived):  # HTTP/3 begins so, and LLP never does
                self.close("foreign")

    def _terminated(self, event: ConnectionTerminated) -> None:
        alert = event.error_code - CRYPTO_ERROR
        if not self.established and 0 < alert < 256:
            self.alert = alert
        self._end("tls" if self.alert else "closed", event.reason_phrase)

    def _end(self, how: str, said: str) -> None:
        if not self.ended:
            self.ended, self.said = how, said
            self.pending.clear()

    def send(self, datagrams: Sequence[bytes]) -> None:
        """LLP datagrams to send when the window has room."""
        if not self.ended:
            self.pending.extend(datagrams)
