"""What the worker tells the control process, and how often: nobody may make it talk without end."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from appliance.errors import place_of
from appliance.worker import pairs, reports
from appliance.worker.gate import Gate
from appliance.worker.reports import REPORTS
from appliance.worker.talk import Talk

if TYPE_CHECKING:
    from appliance.api.transport import Driver, SocketAddress
    from appliance.dataplane.peers import Channel, Peer, Session, World
    from appliance.worker.blame import Fault
    from appliance.worker.messages import Message

MOVED_MILLISECONDS: Final = 50
"""Between two words about a session whose records come from elsewhere: each makes the control process ask there once, until it is
answered."""
FAULTS_TOLD: Final = 20
"""The first faults of a driver or cipher are told one by one, later ones so many at a time."""
FAULTS_OF_A_LINK: Final = 20
"""What raises so often does not get well any more; another link may work."""
CHANNELS_A_REPORT: Final = 128
"""What a report holds."""
RAISED_GAP: Final = 10.0
"""Seconds between two words about mistakes of ours."""


class Reporting:
    """Says things over the `control` socket. `numbers` are those of the links; `give_up(link)` is called for one whose driver
    raises again and again. `clock` gives seconds of a monotonic clock."""

    def __init__(
        self,
        control: socket.socket,
        world: World,
        numbers: Mapping[Driver, int],
        give_up: Callable[[Driver], None],
        clock: Callable[[], float],
    ) -> None:
        self._control = control
        self._world = world
        self._numbers = numbers
        self._give_up = give_up
        self._clock = clock
        self.gate = Gate(world.drop)
        self._talk = Talk(world.drop, clock)
        self.blame: Callable[[BaseException], Fault | None] = lambda _error: None
        """Whose code raised: a plugin's, or (None) ours."""
        self._faults: dict[str, int] = {}
        self._faults_of: dict[Driver, int] = {}
        self._next_raised = 0.0
        self._raised = 0

    def say(self, report: Message) -> None:
        """Send a report, if the control process takes it now."""
        try:
            pairs.send(self._control, *REPORTS.encode(report))
        except OSError:  # not keeping up, or gone: a lost handshake packet is sent again by its peer
            self._world.drop("control_busy")

    def packet(self, link: Driver, source: SocketAddress | None, packet: bytes) -> None:
        """A handshake packet came in; the gate judges whether it goes up."""
        number = self._numbers[link]
        if self.gate.passes(number, link, source, packet, self._clock()):
            self.say(reports.Packet(number, source, local_of(link, source), packet))

    def message(self, session: Session, kind: int, channel: int, body: bytes) -> None:
        """A record was opened that is neither IP nor a data channel's."""
        if self._talk.passes(session, kind):
            self.say(reports.Message(session.index, kind, channel, body))

    def moved(self, session: Session, link: Driver, source: SocketAddress | None) -> None:
        """A session's newest record came by another path."""
        now = self._world.now
        if session.reported is None or now - session.reported & 0xFFFFFFFF >= MOVED_MILLISECONDS:
            session.reported = now
            self.say(reports.Moved(session.index, self._numbers[link], source, local_of(link, source)))

    def aside(self, session: Session, link: Driver, source: SocketAddress | None, kind: int, body: bytes, newest: bool) -> None:
        """A KeepAlive or an Ack came by another path than its session's."""
        if self._talk.passes(session, kind):
            self.say(reports.Aside(session.index, self._numbers[link], source, local_of(link, source), kind, newest, body))

    def stalled(self, session: Session) -> None:
        """The peer is epochs ahead."""
        self.say(reports.Stalled(session.index))

    def want(self, peer: Peer) -> None:
        """Traffic waits for a peer without a session."""
        self.say(reports.Want(peer.name))

    def channel_closed(self, peer: str, channel: int, opening: int) -> None:
        """A data channel is no more, and nobody has told this worker to close it."""
        self.say(reports.ChannelClosed(peer, channel, opening))

    def channels_used(self, channels: Iterable[Channel]) -> None:
        """What went through these."""
        used = [(each.peer.name, each.number, each.opening, each.records, each.bytes, each.lost) for each in channels]
        for at in range(0, len(used), CHANNELS_A_REPORT):
            self.say(reports.ChannelsUsed(used[at : at + CHANNELS_A_REPORT]))

    def raised(self, error: BaseException) -> None:
        """Something raised: by a plugin's fault, or by a mistake of ours."""
        fault = self.blame(error)
        if fault is not None:
            self._fault(fault)
            return
        self._raised += 1
        now = self._clock()
        if now >= self._next_raised:
            self._next_raised = now + RAISED_GAP
            self.say(reports.Raised(place_of(error), self._raised))
            self._raised = 0

    def _fault(self, fault: Fault) -> None:
        """A plugin's driver or cipher raised: tell which, and give up a link whose driver does so again and again."""
        times = self._faults[fault.import_path] = self._faults.get(fault.import_path, 0) + 1
        if times <= FAULTS_TOLD or not times % FAULTS_TOLD:
            self.say(reports.Fault(fault.import_path, fault.place, times))
        if fault.subject in self._numbers:
            faults = self._faults_of[fault.subject] = self._faults_of.get(fault.subject, 0) + 1
            if faults >= FAULTS_OF_A_LINK:
                self._give_up(fault.subject)

    def refused(self, number: int, driver: str, error: BaseException) -> None:
        """The driver of that import path cannot be made for a link, or is none."""
        self.say(reports.Fault(driver, f"{type(error).__name__}: {error}", 1))
        self.say(reports.LinkClosed(number))

    def forget(self, link: Driver) -> None:
        """A link is gone."""
        self._faults_of.pop(link, None)


def local_of(link: Driver, source: SocketAddress | None) -> str | None:
    """Which of this host's addresses a far end spoke to, where the link is a listener with several."""
    find = getattr(link, "local_of", None)
    return find(source) if find is not None and source is not None else None
