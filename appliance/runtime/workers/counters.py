"""The memory in which a worker counts and the control process reads, and which row of it each session has."""

from __future__ import annotations

import mmap
import os
from collections import deque
from typing import NamedTuple

from appliance.api.monitoring import ClassFigures
from appliance.dataplane import counters as layout
from appliance.errors import HostError


class SessionCounters(NamedTuple):
    """Figures of one session since it began. Packets and bytes are those inside the overlay."""

    rx_packets: int
    """Packets received."""
    rx_bytes: int
    """Bytes of these."""
    rx_records: int
    """Authentic records received."""
    tx_packets: int
    """Packets sent."""
    tx_bytes: int
    """Bytes of these."""
    tx_records: int
    """Records sent."""
    rx_epoch: int
    """How often the key to receive with has moved on."""
    tx_epoch: int
    """How often the key to send with has moved on."""
    rx_saved: int
    """Bytes that the peer's compression kept off the wire."""
    tx_saved: int
    """Bytes that our compression kept off the wire."""


class ChannelCounters(NamedTuple):
    """What went through all data channels of a worker since it began."""

    rx_records: int
    """Records that came."""
    rx_bytes: int
    """Bytes of their bodies."""
    tx_records: int
    """Records that were sent."""
    tx_bytes: int
    """Bytes of their bodies."""


class SharedCounters:
    """Counters of one worker, with rows for `slots` sessions. Reading costs no message."""

    def __init__(self, slots: int) -> None:
        self.descriptor = os.memfd_create("appliance-counters")
        os.ftruncate(self.descriptor, layout.size_bytes(slots))
        self._map = mmap.mmap(self.descriptor, 0)
        self._counters = memoryview(self._map).cast("Q")
        self._free = deque(range(slots))
        self._slots: dict[int, int] = {}

    def take(self, session: int) -> int:
        """An empty row for a session: its slot. Raises HostError when all are taken."""
        if not self._free:
            raise HostError("no room for another session's counters", hint="raise limits.sessions")
        slot = self._slots[session] = self._free.popleft()
        start = layout.base(slot)
        self._counters[start : start + layout.ROW] = memoryview(bytes(8 * layout.ROW)).cast("Q")
        return slot

    def give_back(self, session: int) -> None:
        """The session is no more; nothing happens when it has no row."""
        slot = self._slots.pop(session, None)
        if slot is not None:
            self._free.append(slot)

    def session(self, session: int) -> SessionCounters | None:
        """Figures of a session, or None when there is none of that number."""
        slot = self._slots.get(session)
        if slot is None:
            return None
        start = layout.base(slot)
        return SessionCounters(*self._counters[start : start + layout.ROW])

    def records(self, session: int) -> tuple[int, int]:
        """Authentic records a session has received and records it has sent so far; zeros when there is none of that number."""
        return self._pair(session, layout.RX_RECORDS, layout.TX_RECORDS)

    def packets(self, session: int) -> tuple[int, int]:
        """IP packets a session has received and sent so far; zeros when there is none of that number."""
        return self._pair(session, layout.RX_PACKETS, layout.TX_PACKETS)

    def _pair(self, session: int, received: int, sent: int) -> tuple[int, int]:
        slot = self._slots.get(session)
        if slot is None:
            return 0, 0
        start = layout.base(slot)
        return self._counters[start + received], self._counters[start + sent]

    def drops(self) -> dict[str, int]:
        """Packets dropped so far, by reason."""
        return layout.drops(self._counters)

    def classes(self) -> dict[str, ClassFigures]:
        """Figures of traffic classes since the worker began; zeros where traffic is not scheduled."""
        return {name: ClassFigures(*figures) for name, figures in layout.classes(self._counters).items()}

    def channels(self) -> ChannelCounters:
        """Figures of all data channels since the worker began."""
        return ChannelCounters(*self._counters[layout.CHANNEL_RX_RECORDS : layout.CHANNEL_TX_BYTES + 1])

    def beat(self) -> int:
        """The newest question whether it still turns that the worker has come to; 0 before the first."""
        return self._counters[layout.BEAT]

    def beat_at(self) -> float:
        """When it came to that, in seconds of the monotonic clock."""
        return self._counters[layout.BEAT_AT] / 1e6

    def close(self) -> None:
        """Free the memory, once the worker has stopped."""
        self._counters.release()
        self._map.close()
        os.close(self.descriptor)
