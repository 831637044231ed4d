"""One TCP connection (RFC 9293), as a pure machine.

Five verbs: `handle_segment`, `handle_timeout`, `poll_transmit`, `poll_timeout`, and for the application's side what it may see:
`opened`, `incoming`, `room`, `ending`. It knows no addresses; `stack` gives segments to it and sends what it makes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from appliance.tcp.counted import Allowance, Count, Counts, Memory
from appliance.tcp.keep_alive import KeepAlive, Next
from appliance.tcp.receiving import SCALE, Receiver
from appliance.tcp.retransmission import FIRST
from appliance.tcp.segment import (
    ACK,
    FIN,
    HEADER_BYTES,
    MOST_SCALE,
    PSH,
    RST,
    SYN,
    Options,
    Outgoing,
    Segment,
    sack_option,
    syn_options,
    unwrapped,
)
from appliance.tcp.sending import Sender
from appliance.tcp.states import MOVES, OPENING, Ending, State
from appliance.tcp.timestamps import Timestamps

if TYPE_CHECKING:
    from appliance.api.values import Octets

LEAST_MSS: Final = 88
"""Less is believed of nobody: each packet would be headers, and each byte cost a packet (Linux: tcp_min_snd_mss, 48)."""
MOST_SYNS: Final = 7
"""A SYN is sent so often, at 1, 3, 7, 15, 31, 63 s; then nobody is there (RFC 9293, 3.8.3: at least 3 minutes in all)."""
LINGER: Final = 60.0
"""Seconds in TIME-WAIT (Linux has 60, too), and in FIN-WAIT-2 once no application is there to hear the rest."""
CHALLENGES: Final = 10
"""ACKs a second in answer to segments that do not fit (RFC 5961, 7)."""
_DATA_STATES: Final = frozenset({State.ESTABLISHED, State.FIN_WAIT_1, State.FIN_WAIT_2})


class Setup(NamedTuple):
    """What a connection is made with."""

    initial: int
    """Its first sequence number (RFC 6528)."""
    mss: int
    """Payload bytes of the longest packet to us, or from us."""
    peer_mss: int
    """What holds if the peer names none."""
    stamp_offset: int
    """As `Timestamps`."""
    memory: Memory
    counts: Counts


class Connection:
    """Made by `call` or `answer`."""

    __slots__ = (
        "_ack_due",
        "_allowance",
        "_asks",
        "_irs",
        "_keep_alive",
        "_linger_at",
        "_linger_from",
        "_options",
        "_orphaned",
        "_peer_scale",
        "_reset_due",
        "_setup",
        "_stamps",
        "_syn_at",
        "_syn_due",
        "_syns",
        "ending",
        "receiver",
        "sender",
        "state",
    )

    def __init__(self, setup: Setup, state: State, now: float) -> None:
        self.state = state
        self.ending: Ending | None = None
        """How it ended; None as long as it has not. TIME-WAIT has ended already."""
        self.sender = Sender(setup.initial + 1, setup.peer_mss, setup.memory, setup.counts)
        self.receiver: Receiver | None = None
        """None until the peer's SYN came."""
        self._setup = setup
        self._irs = 0
        self._options = Options()
        """Of the peer's SYN."""
        self._peer_scale = 0
        self._stamps = Timestamps(setup.stamp_offset, now)
        self._ack_due = False
        self._reset_due = False
        self._syn_due = True
        self._syns = 0
        self._syn_at: float | None = None
        self._linger_at: float | None = None
        self._linger_from = 0
        self._orphaned = False
        self._keep_alive = KeepAlive(now)
        self._asks = False
        self._allowance = Allowance(CHALLENGES, now)

    @classmethod
    def call(cls, setup: Setup, now: float) -> Connection:
        """Open one."""
        return cls(setup, State.SYN_SENT, now)

    @classmethod
    def answer(cls, setup: Setup, syn: Segment, now: float) -> Connection:
        """Let a peer open one that sent this SYN."""
        made = cls(setup, State.SYN_RECEIVED, now)
        made._heard_syn(syn, now)
        return made

    # ---- the application's side ----

    @property
    def opened(self) -> bool:
        """Is the handshake done?"""
        return self.state not in OPENING and self.receiver is not None

    def incoming(self) -> Octets | None:
        """What came next for the application; None if there is nothing."""
        return self.receiver.first if self.receiver is not None else None

    def consumed(self, count: int) -> None:
        """The application has taken so many bytes of it."""
        assert self.receiver is not None
        self.receiver.consumed(count)
        if self.state in _DATA_STATES and self.receiver.may_widen(self.sender.mss):
            self._ack_due = True

    @property
    def peer_finished(self) -> bool:
        """Will nothing more come, in good order? What came may still have to be taken."""
        return self.receiver is not None and self.receiver.finished

    def room(self) -> int:
        """How many bytes the application may write now."""
        return self.sender.room() if self.state in (State.ESTABLISHED, State.CLOSE_WAIT) else 0

    def write(self, data: bytes) -> None:
        """Send this, at most `room` bytes."""
        self.sender.write(data)

    def finish(self) -> None:
        """The application writes no more (half-close); it may read on."""
        if self.state is State.ESTABLISHED:
            self._move(State.FIN_WAIT_1)
        elif self.state is State.CLOSE_WAIT:
            self._move(State.LAST_ACK)
        elif self.state in OPENING:
            self._end(Ending.ABORTED, tell=self.state is State.SYN_RECEIVED)
            return
        else:
            return
        self.sender.finish()

    def orphan(self, now: float) -> None:
        """No application is there any more: finish, and break it off should the peer say more, or take too long."""
        self.finish()
        self._orphaned = True
        if self.incoming() is not None:
            self.abort()  # RFC 9293, 3.6.1: what the peer said was not read, and it should know
        elif self.state not in (State.CLOSED, State.TIME_WAIT):
            self._linger_from, self._linger_at = self.sender.unacked, now + LINGER

    def desert(self, now: float) -> None:
        """No application is there any more, but what it wrote is: go on for as long as the peer takes some of it."""
        if self.state not in (State.CLOSED, State.TIME_WAIT):
            self._linger_from, self._linger_at = self.sender.unacked, now + LINGER

    def abort(self) -> None:
        """Break it off."""
        if self.state is not State.CLOSED:
            self._end(Ending.ABORTED, tell=self.state not in (State.SYN_SENT, State.TIME_WAIT))

    # ---- what comes ----

    def handle_segment(self, segment: Segment, now: float) -> None:
        """A segment of this connection."""
        if self.state is State.SYN_SENT:
            self._handle_in_syn_sent(segment, now)
        elif self.state is not State.CLOSED and self._acceptable(segment, now):
            self._handle_acceptable(segment, now)

    def too_big(self, mtu_payload: int, sequence: int) -> None:
        """A router said that at most `mtu_payload` bytes may be behind the IP header. Believed if it quotes what is under way
        (RFC 5927, 7.2)."""
        mss = max(mtu_payload - HEADER_BYTES - self._stamps.option_bytes, LEAST_MSS)
        if self.sender.unacked <= unwrapped(sequence, self.sender.unacked) < self.sender.next and mss < self.sender.mss:
            self._setup.counts[Count.SMALLER] += 1
            self.sender.resize(mss)

    def _handle_in_syn_sent(self, segment: Segment, now: float) -> None:
        """RFC 9293, 3.10.7.3."""
        flags = segment.flags
        if flags & ACK and segment.acknowledgement != self.sender.unacked & 0xFFFFFFFF:
            self._setup.counts[Count.BAD_ACK] += 1  # an old one's; `stack` resets what nobody has
            return
        if flags & RST:
            if flags & ACK:
                self._end(Ending.REFUSED)
            return
        if not flags & SYN:
            return
        self._heard_syn(segment, now)
        if flags & ACK:
            self._open(segment, now)
            self._ack_due = True
        else:
            self._move(State.SYN_RECEIVED)
            self._syn_due = True

    def _heard_syn(self, syn: Segment, now: float) -> None:
        options = syn.options
        self._irs = syn.sequence
        self._options = options
        scaled = options.scale >= 0
        self._peer_scale = min(options.scale, MOST_SCALE) if scaled else 0
        self._stamps.agree(options.stamp, now)
        mss = min(self._setup.mss, options.mss or self._setup.peer_mss)
        self.sender = Sender(
            self._setup.initial + 1,
            max(mss - self._stamps.option_bytes, LEAST_MSS),
            self._setup.memory,
            self._setup.counts,
        )
        self.receiver = Receiver(syn.sequence + 1, SCALE if scaled else 0, self._setup.memory, self._setup.counts)
        self._keep_alive.heard(now)

    def _open(self, segment: Segment, now: float) -> None:
        self._move(State.ESTABLISHED)
        if self._syns == 1 and self._syn_at is not None:
            self.sender.timer.measured(now - self._syn_at + FIRST)
        self._syn_due, self._syn_at = False, None
        shift = 0 if segment.flags & SYN else self._peer_scale
        self.sender.offered(segment.window << shift, now)
        self._keep_alive.begin(now)

    def _acceptable(self, segment: Segment, now: float) -> bool:
        """RFC 9293, 3.10.7.4, first to fourth, with RFC 5961 and RFC 7323."""
        receiver, flags = self.receiver, segment.flags
        assert receiver is not None
        start = unwrapped(segment.sequence, receiver.next)
        if not flags & RST and self._stamps.is_old(segment.options.stamp, now):
            return self._refuse(Count.PAWS, now)
        if flags & SYN and self.state is State.SYN_RECEIVED and segment.sequence == self._irs:
            self._syn_due = self._allowance.take(now)  # our answer was lost
            return bool(flags & ACK)  # which the peer's SYN has where both called at once
        if not self._in_window(start, segment.length, receiver):
            return not flags & RST and self._refuse(Count.OUT_OF_WINDOW, now)
        if flags & RST:
            if start != self._expected:
                return self._refuse(Count.BLIND_RESET, now)
            self._end(Ending.REFUSED if self.state is State.SYN_RECEIVED else Ending.RESET)
            return False
        if flags & SYN:
            return self._refuse(Count.BLIND_RESET, now)
        return bool(flags & ACK)

    def _in_window(self, start: int, length: int, receiver: Receiver) -> bool:
        expected = self._expected
        edge = max(receiver.edge, expected)
        if start > edge or (start == edge and length and edge > expected):
            return False
        return start >= expected or start + length > expected or (length == 0 and start == expected)

    def _refuse(self, why: Count, now: float) -> bool:
        """Drop a segment, and tell the peer what we expect, so that a true one can mend it."""
        self._setup.counts[why] += 1
        if self._allowance.take(now):
            self._setup.counts[Count.CHALLENGED] += 1
            self._ack_due = True
        if self.state is State.TIME_WAIT:
            self._linger_at = now + LINGER  # it sends its end again, as our last ACK was lost
        return False

    def _handle_acceptable(self, segment: Segment, now: float) -> None:
        """RFC 9293, 3.10.7.4, fifth to eighth."""
        sender, receiver = self.sender, self.receiver
        assert receiver is not None
        number = unwrapped(segment.acknowledgement, sender.unacked)
        if self.state is State.SYN_RECEIVED:
            if number != sender.unacked:
                self._setup.counts[Count.BAD_ACK] += 1
                return
            self._open(segment, now)
        elif number > sender.next or number < sender.unacked - max(sender.widest, 1 << 16):
            self._refuse(Count.BAD_ACK, now)
            return
        start = unwrapped(segment.sequence, receiver.next)
        self._heard(segment, start, now)
        if number >= sender.unacked:
            self._acknowledged(segment, number, now)
        if segment.payload or segment.flags & FIN:
            self._take(segment, start)
        if self.state is not State.CLOSED:
            self._settle(now)

    def _heard(self, segment: Segment, start: int, now: float) -> None:
        self._keep_alive.heard(now)
        if start <= self._expected:
            self._stamps.heard(segment.options.stamp, now)

    def _acknowledged(self, segment: Segment, number: int, now: float) -> None:
        sender, options = self.sender, segment.options
        window = segment.window << self._peer_scale
        plain = not segment.payload and window == sender.window and not segment.flags & FIN
        blocks = [(unwrapped(start, number), unwrapped(until, number)) for start, until in options.blocks]
        echoed = self._stamps.round_trip(options.echo, now)
        sender.acknowledged(number, blocks if self._options.sack_ok else [], now, echoed, plain=plain)
        sender.offered(window, now)

    def _take(self, segment: Segment, start: int) -> None:
        receiver = self.receiver
        assert receiver is not None
        self._ack_due = True
        if self.state not in _DATA_STATES:
            return
        if self._orphaned and segment.payload and start + len(segment.payload) > receiver.next:
            self._end(Ending.RESET, tell=True)  # RFC 9293, 3.6.1: nobody will ever read it
            return
        receiver.accept(start, segment.payload, fin=bool(segment.flags & FIN))

    def _settle(self, now: float) -> None:
        """Move on by what is acknowledged and what has come."""
        state = self.state
        if self.sender.finished:
            if state is State.FIN_WAIT_1:
                self._move(State.FIN_WAIT_2)
            elif state is State.CLOSING:
                self._wait(now)
            elif state is State.LAST_ACK:
                self._end(Ending.FINISHED)
        if self.peer_finished:
            if self.state is State.ESTABLISHED:
                self._move(State.CLOSE_WAIT)
            elif self.state is State.FIN_WAIT_1:
                self._move(State.CLOSING)
            elif self.state is State.FIN_WAIT_2:
                self._wait(now)

    # ---- what is to be sent ----

    def poll_transmit(self, now: float) -> Outgoing | None:
        """The next segment to be sent; None for now."""
        if self.state in OPENING:
            return self._syn(now) if self._syn_due else None
        if self._reset_due:
            self._reset_due = False
            return Outgoing(self.sender.in_window, self._expected, RST | ACK, 0)
        if self.state is State.CLOSED:
            return None
        piece = self.sender.poll(now) if self.state is not State.TIME_WAIT else None
        if piece is None:
            return self._bare_ack(now)
        self._ack_due = False
        flags = ACK | (FIN if piece.fin else 0) | (PSH if piece.start + piece.length >= self.sender.end - piece.fin else 0)
        return Outgoing(
            piece.start, self._expected, flags, self._window(), self._said(now), piece.payload, piece.length, self.sender.mss
        )

    def _syn(self, now: float) -> Outgoing:
        self._syn_due = False
        if self._syn_at is None:
            self._syns, self._syn_at = 1, now + FIRST
        answering = self.state is State.SYN_RECEIVED
        scale = SCALE if not answering or self._options.scale >= 0 else -1
        sack = not answering or self._options.sack_ok
        stamp = self._stamps.stamp(now) if not answering or self._stamps.used else -1
        options = syn_options(self._setup.mss, scale, sack=sack, stamp=stamp, echo=self._stamps.echo)
        window = 0xFFFF if self.receiver is None else min(self.receiver.edge - self.receiver.next, 0xFFFF)
        acknowledgement = self._expected if answering else 0
        return Outgoing(self._setup.initial, acknowledgement, SYN | (ACK if answering else 0), window, options)

    def _bare_ack(self, now: float) -> Outgoing | None:
        if self._asks:
            self._asks = self._ack_due = False  # RFC 9293, 3.8.4: an old number, so that the peer answers
            return Outgoing(self.sender.next - 1, self._expected, ACK, self._window(), self._said(now))
        if not self._ack_due:
            return None
        self._ack_due = False
        return Outgoing(self.sender.next, self._expected, ACK, self._window(), self._said(now))

    @property
    def _expected(self) -> int:
        """What we acknowledge."""
        receiver = self.receiver
        return 0 if receiver is None else receiver.next + receiver.finished

    def _window(self) -> int:
        assert self.receiver is not None
        return self.receiver.window()

    def _said(self, now: float) -> bytes:
        options = self._stamps.option(now)
        if self._options.sack_ok and self.receiver is not None:
            options += sack_option(self.receiver.blocks())
        return options

    # ---- time ----

    def poll_timeout(self) -> float | None:
        """When `handle_timeout` is to be called."""
        times = (self.sender.deadline, self._syn_at, self._linger_at, self._keep_alive.at)
        return min((at for at in times if at is not None), default=None)

    def handle_timeout(self, now: float) -> None:
        """Do what is due."""
        if self._syn_at is not None and self._syn_at <= now:
            self._call_again(now)
        if self._linger_at is not None and self._linger_at <= now:
            self._lingered(now)
        if self._keep_alive.at is not None and self._keep_alive.at <= now:
            self._ask(now)
        if self.state not in (State.CLOSED, State.TIME_WAIT) and not self.sender.timed_out(now):
            self._end(Ending.SILENT, tell=True)

    def _lingered(self, now: float) -> None:
        """In TIME-WAIT it is over now; without an application if the peer took nothing meanwhile."""
        if self.state is not State.TIME_WAIT and self.sender.unacked > self._linger_from:
            self._linger_from, self._linger_at = self.sender.unacked, now + LINGER
        else:
            self._end(Ending.SILENT, tell=self.state is not State.TIME_WAIT)

    def _call_again(self, now: float) -> None:
        if self._syns >= MOST_SYNS:
            self._end(Ending.SILENT)
            return
        self._syn_at = now + FIRST * (1 << self._syns)
        self._syns += 1
        self._syn_due = True

    def _ask(self, now: float) -> None:
        """Is the peer still there?"""
        match self._keep_alive.due(now, busy=self.sender.next != self.sender.unacked):
            case Next.ASK:
                self._asks = True
                self._setup.counts[Count.PROBED] += 1
            case Next.GIVE_UP:
                self._end(Ending.SILENT, tell=True)

    # ---- moving ----

    def _move(self, state: State) -> None:
        assert state in MOVES[self.state], f"{self.state} to {state}"
        self.state = state

    def _wait(self, now: float) -> None:
        self._move(State.TIME_WAIT)
        self.ending = self.ending or Ending.FINISHED
        self._keep_alive.at, self._linger_at = None, now + LINGER
        self.sender.drop()

    def _end(self, ending: Ending, *, tell: bool = False) -> None:
        """It is over. What came before may still be read, but for a reset that the peer did not send."""
        self.state = State.CLOSED
        self.ending = self.ending or ending
        self._reset_due = tell
        self._syn_due = self._asks = self._ack_due = False
        self._syn_at = self._linger_at = self._keep_alive.at = None
        self.sender.drop()

    def forget(self) -> None:
        """Nobody looks at it any more: give its memory back."""
        self.sender.drop()
        if self.receiver is not None:
            self.receiver.drop()
