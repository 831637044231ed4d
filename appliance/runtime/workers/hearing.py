"""What a worker says, as calls: its reports are judged and passed on here, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from appliance.worker import reports
from appliance.worker.reports import REPORTS

if TYPE_CHECKING:
    from appliance.api.transport import SocketAddress

MOST_LOCALS: Final = 4096
"""Far ends of whom is kept which of our addresses they spoke to: it is needed from a handshake's first packet to its last."""

Spoken = dict[tuple[int, "SocketAddress | None"], str]
"""Which of this host's addresses the far end of a link, or at an address behind a listener, spoke to."""


class NodeListener(Protocol):
    """Who hears what the worker says of peers, sessions and links. Called on the event loop; must not raise."""

    def on_packet(self, link: int, source: SocketAddress | None, packet: bytes) -> None:
        """A handshake packet came in."""

    def on_message(self, session: int, kind: int, channel: int, body: bytes) -> None:
        """A record other than IP was opened."""

    def on_want(self, peer: str) -> None:
        """Traffic waits for a peer without a session."""

    def on_aside(self, session: int, link: int, source: SocketAddress | None, kind: int, body: bytes, *, newest: bool) -> None:
        """A KeepAlive or an Ack came by another path than its session's. `newest`: no newer record has come before."""

    def on_moved(self, session: int, link: int, source: SocketAddress | None) -> None:
        """The newest authentic record of a session came by another path."""

    def on_stalled(self, session: int) -> None:
        """The peer is epochs ahead: only a new handshake helps."""

    def on_loss(self, link: int, lost: float) -> None:
        """This share (0 to 1) of a link's datagrams did not arrive lately."""

    def on_link_closed(self, link: int) -> None:
        """A link ended; its number is free."""

    def on_link_limited(self, link: int, datagram: int) -> None:
        """The kernel refuses datagrams longer than that on a link, whose driver keeps to it now."""

    def on_link_offload(self, link: int, problem: str) -> None:
        """The kernel does not cut datagrams on a link, for that errno; "": it does again."""

    def on_raised(self, place: str, times: int) -> None:
        """By a mistake of ours the worker could not do something, and went on: what and where, how often since the last word."""

    def on_misheard(self, error: Exception) -> None:
        """What the worker said is no report, or doing what it said raised."""


class WorkerListener(NodeListener, Protocol):
    """Who hears all of it: the process and what plugins brought into it, too."""

    def on_fault(self, import_path: str, place: str, times: int) -> None:
        """The code at an import path, a driver's or a cipher's, raised in the worker, `times` times so far."""

    def on_last_words(self, stack: str, *, hung: bool) -> None:
        """Where a worker was (as `faulthandler` writes it) when it was ended for not answering, or when it crashed."""

    def on_channels_used(self, used: Sequence[tuple[str, int, int, int, int, int]]) -> None:
        """What went through data channels so far (`reports.ChannelsUsed`)."""

    def on_channel_closed(self, peer: str, channel: int, opening: int) -> None:
        """The worker has let go of a data channel: the other end of its descriptor was closed, or the peer is no more."""

    def on_tun_lost(self, number: int) -> None:
        """The TUN cannot be read any more, for that errno (0: it gives nothing)."""

    def on_exit(self, code: int) -> None:
        """The worker died (not by `stop`)."""


class Hearing:
    """Tells a listener what one worker says. `spoken` learns from it which of our addresses far ends spoke to."""

    def __init__(self, listener: WorkerListener, spoken: Spoken) -> None:
        self._listener = listener
        self._spoken = spoken
        self._by_kind: dict[type, Callable[[Any], None]] = {
            reports.Packet: self._packet,
            reports.Moved: self._moved,
            reports.Aside: self._aside,
            reports.Message: lambda said: listener.on_message(*said),
            reports.Want: lambda said: listener.on_want(*said),
            reports.Stalled: lambda said: listener.on_stalled(*said),
            reports.LinkLoss: lambda said: listener.on_loss(*said),
            reports.LinkClosed: lambda said: listener.on_link_closed(*said),
            reports.LinkLimited: lambda said: listener.on_link_limited(*said),
            reports.LinkOffloads: lambda said: listener.on_link_offload(*said),
            reports.ChannelClosed: lambda said: listener.on_channel_closed(*said),
            reports.ChannelsUsed: lambda said: listener.on_channels_used(*said),
            reports.TunLost: lambda said: listener.on_tun_lost(*said),
            reports.Fault: lambda said: listener.on_fault(*said),
            reports.Raised: lambda said: listener.on_raised(*said),
        }

    def hear(self, packet: bytes) -> None:
        """Do what a packet of the worker's says. Does not raise."""
        try:
            report = REPORTS.decode(packet)
            self._by_kind[type(report)](report)
        except Exception as error:  # noqa: BLE001  the worker is the one that strangers speak to
            self._listener.on_misheard(error)

    def _packet(self, said: reports.Packet) -> None:
        self._spoke_to(said)
        self._listener.on_packet(said.link, said.source, said.packet)

    def _moved(self, said: reports.Moved) -> None:
        self._spoke_to(said)
        self._listener.on_moved(said.session, said.link, said.source)

    def _aside(self, said: reports.Aside) -> None:
        self._spoke_to(said)
        self._listener.on_aside(said.session, said.link, said.source, said.type, said.body, newest=said.newest)

    def _spoke_to(self, said: reports.Packet | reports.Moved | reports.Aside) -> None:
        spoken, far = self._spoken, (said.link, said.source)
        if said.local is not None and spoken.get(far) != said.local:
            if len(spoken) >= MOST_LOCALS:
                del spoken[next(iter(spoken))]
            spoken[far] = said.local
