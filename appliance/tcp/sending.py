"""The sending half of a connection: what is unacknowledged, what may go now, and what is lost (RFC 5681, 6298, 6675).

Sequence numbers here are of any length. What an application writes is taken only when it can be sent soon (`room`): a peer that
never reads costs a super-packet of memory, not a window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from appliance.tcp.congestion import Congestion
from appliance.tcp.counted import Count, Counts, Memory
from appliance.tcp.outbox import Outbox
from appliance.tcp.ranges import ENOUGH, Ranges
from appliance.tcp.retransmission import GRANULARITY, RetransmissionTimer

if TYPE_CHECKING:
    from appliance.api.values import Octets

SUPER_BYTES: Final = 63 * 1024
"""At most so much payload in a super-packet: with its headers, a virtio header and the tag of any suite it fits a record."""
MOST_UNDER_WAY: Final = 4 << 20
"""Bytes that one connection may have unacknowledged. Chosen: 300 Mbit/s over 100 ms."""
GIVE_UP: Final = 120.0
"""Seconds without an answer to what was sent, after which the peer is gone (RFC 9293, 3.8.3: R2 is at least 100)."""


class Piece(NamedTuple):
    """What is to be sent now."""

    start: int
    length: int
    fin: bool
    payload: list[Octets]


class Sender:
    """Begins after the handshake; `start` is the first number of the stream."""

    __slots__ = (
        "_counts",
        "_duplicates",
        "_lost_below",
        "_memory",
        "_outbox",
        "_probe",
        "_probe_at",
        "_probed",
        "_recovery",
        "_resend_at",
        "_resent",
        "_resent_at",
        "_sacked",
        "_sent_last",
        "_silent_since",
        "_timed",
        "_timed_out",
        "congestion",
        "finishing",
        "mss",
        "next",
        "timer",
        "unacked",
        "widest",
        "window",
    )

    def __init__(self, start: int, mss: int, memory: Memory, counts: Counts) -> None:
        self.mss = mss
        self.unacked = start
        """The oldest number that is not acknowledged (SND.UNA)."""
        self.next = start
        """The next number to be sent (SND.NXT)."""
        self.window = 0
        """What the peer takes beyond `unacked`, in bytes (SND.WND)."""
        self.widest = 0
        """The widest window that it ever had."""
        self.finishing = False
        """The application writes no more."""
        self.congestion = Congestion(mss)
        self.timer = RetransmissionTimer()
        self._outbox = Outbox(start)
        self._memory = memory
        self._counts = counts
        self._sacked = Ranges()
        self._lost_below = start
        """What is unacknowledged below this and not in `_sacked` is lost, unless it was sent again."""
        self._resent = start
        """What was lost below this was sent again (HighRxt)."""
        self._recovery: int | None = None
        """What must be acknowledged until a loss is mended (RecoveryPoint)."""
        self._timed_out = False
        """That loss is one by timeout, so the window grows meanwhile."""
        self._duplicates = 0
        self._timed: tuple[int, float] | None = None
        """A number whose acknowledgement tells a round trip, and when it was sent (Karn's algorithm)."""
        self._resend_at: float | None = None
        self._probe_at: float | None = None
        self._probe = False
        self._probed = False
        self._silent_since: float | None = None
        self._sent_last = 0.0
        self._resent_at = 0.0

    # ---- the application's side ----

    def room(self) -> int:
        """How many bytes the application may write now."""
        if self.finishing:
            return 0
        unsent = self._outbox.end - self.next
        most = self.mss if self._memory.tight else min(SUPER_BYTES, MOST_UNDER_WAY - (self._outbox.end - self.unacked))
        return max(0, most - unsent)

    def write(self, data: bytes) -> None:
        """Take what the application wrote."""
        self._outbox.append(data)
        self._memory.used += len(data)

    def finish(self) -> None:
        """The application writes no more; the end comes behind what it wrote."""
        self.finishing = True

    def drop(self) -> None:
        """The connection is over."""
        self._memory.used -= self._outbox.end - self._outbox.start
        self._outbox = Outbox(self._outbox.end)
        self._resend_at = self._probe_at = None

    @property
    def end(self) -> int:
        """The number behind all there is to send, the end of the stream included."""
        return self._outbox.end + self.finishing

    @property
    def in_window(self) -> int:
        """The next number to be sent, or the last that the peer would take."""
        return min(self.next, self.unacked + self.window) if self.widest else self.next

    @property
    def finished(self) -> bool:
        """Is the end of the stream acknowledged?"""
        return self.finishing and self.unacked == self.end

    # ---- what the peer says ----

    def offered(self, window: int, now: float) -> None:
        """The peer takes so much beyond `unacked` from now on."""
        self.window = window
        self.widest = max(self.widest, window)
        if not window:
            self._silent_since = None  # it answers, so it is there, for as long as it likes to read nothing
        elif self._probed:
            self._probed = False  # what was sent beyond its window it has thrown away
            self.timer.progressed()
            self._send_again()
            self._resend_at = now + self.timer.timeout
        self._probe_at = None
        self._watch(now)

    def acknowledged(self, number: int, blocks: list[tuple[int, int]], now: float, echoed: float | None, *, plain: bool) -> None:
        """The peer has all below `number`, and `blocks` beyond. `plain`: the segment said nothing else, so that it counts as a
        duplicate if `number` is not new. `echoed`: the round trip by its timestamp."""
        for start, until in blocks:
            if number < start < until <= self.next:
                self._sacked.add(start, until)
        if number > self.unacked:
            self._advance(number, now, echoed)
        elif plain and self.next > self.unacked:
            self._duplicates += 1
        self._look_for_loss()

    def _advance(self, number: int, now: float, echoed: float | None) -> None:
        under_way = self.next - self.unacked
        octets = number - self.unacked
        self.unacked = number
        self._memory.used -= self._outbox.forget_below(min(number, self._outbox.end))
        self._sacked.forget_below(number)
        self._duplicates = 0
        self._silent_since = None
        if self._timed is not None and number >= self._timed[0]:
            self.timer.measured(now - self._timed[1])
            self._timed = None
        elif echoed is not None and self._timed is None and now - echoed >= self._resent_at - GRANULARITY:
            self.timer.measured(echoed)  # what answers a doubled segment echoes one from before the loss
        self.timer.progressed()
        if self._recovery is not None and number >= self._recovery:
            self._recovery, self._timed_out = None, False
        if self._recovery is None:
            self._lost_below = self._resent = number
        elif not self._sacked and self._lost_below <= number and not self._timed_out:
            self._lost_below = min(number + self.mss, self._recovery)  # RFC 6582, 3.2: a partial acknowledgement
        if (self._recovery is None or self._timed_out) and under_way + SUPER_BYTES >= self.congestion.window:
            self.congestion.acknowledged(octets, now, self.timer.round_trip)
        self._resend_at = now + self.timer.timeout if self.next > number else None

    def _look_for_loss(self) -> None:
        lost = self._sacked.lost_below(self.mss)
        if not self._sacked and self._duplicates >= ENOUGH and self._recovery is None:
            lost = min(self.unacked + self.mss, self.next)
        if lost <= max(self.unacked, self._lost_below):
            return
        if self._recovery is None:
            self.congestion.lost(self._pipe())
            self._recovery, self._resent, self._timed = self.next, self.unacked, None
        self._lost_below = lost

    def resize(self, mss: int) -> None:
        """Segments that are under way are too big for the path: all are sent again, in smaller ones."""
        self.mss = mss
        self.congestion.resize(mss)
        self._send_again()

    def _send_again(self) -> None:
        """All that is under way is lost."""
        self._lost_below, self._resent, self._recovery, self._timed = self.next, self.unacked, self.next, None

    # ---- what is to be sent ----

    def poll(self, now: float) -> Piece | None:
        """The next piece that may be sent now."""
        if self._probe:
            self._probe, self._probed = False, self.window == 0
            return self._take(self.unacked, min(self.unacked + max(1, min(self.window, self.mss)), self.end), now)
        pipe = self._pipe()
        if self._lost_below > self.unacked:
            gap = self._sacked.gap(max(self.unacked, self._resent), self._lost_below)
            if gap is not None:
                return self._mend(*gap, pipe, now)
        return self._fresh(pipe, now)

    def _mend(self, start: int, until: int, pipe: int, now: float) -> Piece | None:
        """Send a lost part again; the first of a loss whatever the window."""
        free = int(self.congestion.window) - pipe
        if free < self.mss and start > self.unacked:
            return None
        length = min(until - start, max(self.mss, min(free, SUPER_BYTES) // self.mss * self.mss))
        self._resent = start + length
        self._timed, self._resent_at = None, now
        self._counts[Count.RETRANSMITTED] += 1
        return self._take(start, start + length, now)

    def _fresh(self, pipe: int, now: float) -> Piece | None:
        waiting = self.end - self.next
        if not waiting:
            return None
        if not pipe and now - self._sent_last > self.timer.timeout:
            self.congestion.rested()
        offered = self.unacked + self.window - self.next
        usable = min(offered, int(self.congestion.window) - pipe)
        if usable < waiting:
            if usable < self.mss:
                # RFC 9293, 3.8.6.2.1: a small part is worth it only where the peer's windows are never larger
                if usable <= 0 or pipe or usable * 2 < self.widest:
                    self._watch(now)
                    return None
            elif pipe and usable < min(SUPER_BYTES, self.congestion.window / 4) and usable < offered:
                return None  # acknowledgements of what is under way make room for a larger super-packet
            else:
                usable -= usable % self.mss
        length = min(waiting, usable, SUPER_BYTES // self.mss * self.mss)
        start = self.next
        if self._timed is None and self._recovery is None:
            self._timed = start + length, now
        return self._take(start, start + length, now)

    def _take(self, start: int, until: int, now: float) -> Piece:
        data_until = min(until, self._outbox.end)
        self.next = max(self.next, until)
        self._sent_last = now
        self._probe_at = None
        if self._silent_since is None:
            self._silent_since = now
        if self._resend_at is None:
            self._resend_at = now + self.timer.timeout
        return Piece(start, data_until - start, until > data_until, self._outbox.part(start, data_until))

    def _pipe(self) -> int:
        """How many bytes are under way (RFC 6675, 4)."""
        if self._lost_below <= self.unacked:
            under_way = self.next - self.unacked - self._sacked.total
            return under_way if self._sacked else max(0, under_way - self._duplicates * self.mss)
        resent = min(self._resent, self._lost_below)
        beyond = self.next - self._lost_below - self._sacked.within(self._lost_below, self.next)
        if resent <= self.unacked:
            return beyond
        return beyond + resent - self.unacked - self._sacked.within(self.unacked, resent)

    # ---- time ----

    def _watch(self, now: float) -> None:
        """Ask again after a while where nothing is under way and the peer takes nothing (RFC 9293, 3.8.6.1)."""
        if self._probe_at is None and self.next == self.unacked and self.end > self.next and self.window < self.mss:
            self._probe_at = now + self.timer.timeout

    @property
    def deadline(self) -> float | None:
        """When `timed_out` is to be called."""
        if self._probe_at is None or (self._resend_at is not None and self._resend_at < self._probe_at):
            return self._resend_at
        return self._probe_at

    def timed_out(self, now: float) -> bool:
        """Send again, or probe, what is due. False: the peer has been silent for too long."""
        if self._probe_at is not None and self._probe_at <= now:
            self._probe_at, self._probe = None, True
            self._counts[Count.PROBED] += 1
            self.timer.ran_out()
        if self._resend_at is None or self._resend_at > now:
            return True
        if self._silent_since is not None and now - self._silent_since > GIVE_UP:
            return False
        again = self.timer.doubled > 0
        self.timer.ran_out()
        self._counts[Count.TIMED_OUT] += 1
        self._resend_at = now + self.timer.timeout
        if self.window == 0:
            self._probe = True
            self._counts[Count.PROBED] += 1
            return True
        self.congestion.timed_out(self._pipe(), again=again)
        self._sacked.clear()  # RFC 2018, 8: the peer may have thrown it away
        self._duplicates, self._timed_out = 0, True
        self._send_again()
        return True
