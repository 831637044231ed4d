"""Runs the peer protocols of plugins: hands them what the control channel brings, and sends what they say.

A turn of the event loop is spent on them for TURN_SECONDS at most, each protocol one thing after the other, and then others have
theirs. They fail soft: one that does not open is named, and traffic flows on.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from appliance.api.peer_protocol import Answer, PeerProtocol, PeerProtocolKind
from appliance.errors import LocalFault, PluginFault, place_of
from appliance.foundation import clock
from appliance.foundation.logging import get_logger
from appliance.foundation.patience import Escaped, TookTooLong
from appliance.foundation.tasks import Tasks
from appliance.protocol.control_channel import Received
from appliance.protocol.events import Answered, AskFailed, ControlEvent, ControlWaiting, PeerConnected, PeerGone
from appliance.protocol.families import Family
from appliance.runtime.peers.protocol_services import Joint, ProtocolServices, octets
from appliance.runtime.plugins.account import Part
from appliance.runtime.plugins.calls import PluginCalls
from appliance.runtime.plugins.services import opening

log = get_logger("protocols")

TURN_SECONDS: Final = 0.005
REST_SECONDS: Final = 0.005
"""How long protocols may hold the loop, and how long others have it then: at most half of the process's time is theirs."""
ANSWER_SECONDS: Final = 10.0
"""What a request's handler may take; then the request is refused."""
MOST_AT_ONCE: Final = 16
MOST_OF_A_PEER: Final = 4
"""Requests of one protocol that are being answered, and of these one peer's: slow ones of one peer must not keep the others out.
While there are as many, what comes waits in its inbox."""


class _News(NamedTuple):
    peer: str
    connected: bool


class _Open:
    """A protocol that runs."""

    def __init__(
        self,
        kind: PeerProtocolKind,
        settings: Mapping[str, Any],
        protocol: PeerProtocol,
        services: ProtocolServices,
        peers: set[str],
    ) -> None:
        self.kind = kind
        self.settings = settings
        self.protocol = protocol
        self.services = services
        self.answering = Tasks()
        self.answered: Counter[str] = Counter()
        """Requests of each peer that are being answered."""
        self.full: set[str] = set()
        """Peers of whom there are as many as may be."""
        self.peers = peers
        """Who is there, as it was told or is about to be."""
        self.news = deque(_News(peer, connected=True) for peer in sorted(peers))
        """Who came and went, and was not told yet."""

    def begin(self, peer: str) -> None:
        """A request of `peer` is being answered."""
        self.answered[peer] += 1
        if self.answered[peer] >= MOST_OF_A_PEER:
            self.full.add(peer)

    def end(self, peer: str) -> None:
        """It no longer is."""
        self.full.discard(peer)
        self.answered[peer] -= 1
        if not self.answered[peer]:
            del self.answered[peer]

    def tell(self, peer: str, *, connected: bool) -> None:
        """Note that a peer came or went, if that is news."""
        if connected != (peer in self.peers):
            (self.peers.add if connected else self.peers.discard)(peer)
            self.news.append(_News(peer, connected))


class PeerProtocols:
    """The peer protocols of the running node by kind. `problems` names those that do not run."""

    def __init__(
        self,
        kinds: Mapping[str, PeerProtocolKind],
        joint: Joint,
        calls: PluginCalls | None = None,
        *,
        core: Mapping[str, PeerProtocolKind] = MappingProxyType({}),
        now: Callable[[], float] = clock.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`core` are the families that no plugin brings. `now` and `sleep` are for tests in virtual time."""
        self._kinds = kinds
        self._core = core
        self._joint = joint
        self._calls = calls or PluginCalls()
        self._now = now
        self._sleep = sleep
        self._open: dict[str, _Open] = {}
        self._turn: asyncio.Handle | None = None
        self._connected: dict[str, bool] = {}
        """Peers with a session, and whether they have proved that they are members."""
        self.problems: dict[str, str] = {}

    # ---- life ----

    async def use(self, wanted: Mapping[str, Mapping[str, Any]]) -> None:
        """Speak these and no others; one whose settings did not change is left alone."""
        for name in [name for name, opened in self._open.items() if wanted.get(name) != opened.settings]:
            await self._stop(name)
        for name in [name for name in self.problems if name not in wanted]:
            self._well(name)
        for name, settings in wanted.items():
            if name not in self._open:
                await self._start(name, settings)

    async def close(self) -> None:
        """Stop all."""
        for name in list(reversed(self._open)):
            await self._stop(name)
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None

    def figures(self) -> dict[str, Mapping[str, int]]:
        """What happened in each protocol that runs."""
        return {name: self._joint.control.counters(name) for name in self._open}

    def opened(self, name: str) -> PeerProtocol | None:
        """What `open` of a kind returned, while it runs."""
        found = self._open.get(name)
        return found.protocol if found is not None else None

    @property
    def idle(self) -> bool:
        """Is there nothing to hand over?"""
        return self._turn is None

    async def _start(self, name: str, settings: Mapping[str, Any]) -> None:
        kind = self._core.get(name) or self._kinds.get(name)
        if kind is None:
            self._trouble(name, f"no enabled plugin offers the peer protocol {name!r}")
            return
        peers = {peer for peer in self._connected if self._speaks(kind, peer)}
        services = ProtocolServices(name, self._joint, peers, self._calls, self._now, self._sleep)
        self._joint.control.speak(Family(name, kind.limits, kind.before_membership))
        try:
            protocol: PeerProtocol = self._calls.call(Part("protocol", name, "open"), opening(kind, settings, services))
        except PluginFault as fault:
            self._joint.control.be_silent(name)
            await services.close()
            self._trouble(name, fault.message)
            return
        self._well(name)
        self._open[name] = _Open(kind, settings, protocol, services, peers)
        self._wake()

    async def _stop(self, name: str) -> None:
        opened = self._open.pop(name)
        self._joint.control.be_silent(name)
        await opened.answering.close()
        await opened.services.close()

    # ---- what the control channel brings ----

    def hear(self, event: ControlEvent) -> None:
        """Something happened. What it means for a protocol is done in a later turn."""
        match event:
            case ControlWaiting():
                self._wake()
            case Answered(number, family, content, body):
                if (opened := self._open.get(family)) is not None:
                    opened.services.answered(number, Answer(content, body))
            case AskFailed(number, family, reason):
                if (opened := self._open.get(family)) is not None:
                    opened.services.failed(number, reason)
            case PeerConnected(peer) | PeerGone(peer):
                if isinstance(event, PeerConnected):
                    self._connected[peer] = event.proved
                else:
                    self._connected.pop(peer, None)
                for opened in self._open.values():
                    opened.tell(peer, connected=self._speaks(opened.kind, peer))
                self._wake()

    def _speaks(self, kind: PeerProtocolKind, peer: str) -> bool:
        """Is there a session with `peer` over which `kind` may be spoken?"""
        return self._connected.get(peer, False) or (kind.before_membership and peer in self._connected)

    def _wake(self) -> None:
        if self._turn is None:
            self._turn = asyncio.get_running_loop().call_soon(self._work)

    def _work(self) -> None:
        """Hand over what waits, a thing of each protocol in turn, until time is up."""
        self._turn = None
        end = clock.monotonic() + TURN_SECONDS
        while sum(self._step(opened) for opened in list(self._open.values())):
            if clock.monotonic() >= end:
                self._rest()
                break
        self._joint.settle()

    def _rest(self) -> None:
        if self._turn is not None:  # woken meanwhile, which would be at once
            self._turn.cancel()
        self._turn = asyncio.get_running_loop().call_later(REST_SECONDS, self._work)

    def _step(self, opened: _Open) -> bool:
        """Hand over one thing. False: there is none, or it has to wait."""
        protocol = opened.protocol
        if opened.news:
            peer, connected = opened.news.popleft()
            if connected:
                self._call(opened, "on_connected", lambda: protocol.on_connected(peer))
            else:
                self._call(opened, "on_gone", lambda: protocol.on_gone(peer))
            return True
        if len(opened.answering) >= MOST_AT_ONCE:
            return False
        received = self._joint.control.next(opened.kind.name, but=opened.full)
        if received is None:
            return False
        if received.request is None:
            message = received.peer, _short(received.kind), dict(received.content), received.body
            self._call(opened, "on_message", lambda: protocol.on_message(*message))
        else:
            task = opened.answering.spawn(self._answer(opened, received), f"answer of {opened.kind.name}")
            opened.begin(received.peer)
            task.add_done_callback(lambda _task: self._ended(opened, received.peer))
        return True

    def _ended(self, opened: _Open, peer: str) -> None:
        opened.end(peer)
        self._wake()  # there is room for another

    def _call(self, opened: _Open, member: str, deed: Callable[[], object]) -> None:
        part = Part("protocol", opened.kind.name, member)
        try:
            self._calls.call(part, deed, Exception)
        except Exception as error:  # noqa: BLE001  whatever it is, it is the plugin's
            self._failed(part, error)

    async def _answer(self, opened: _Open, received: Received) -> None:
        part = Part("protocol", opened.kind.name, "on_request")
        message = received.peer, _short(received.kind), dict(received.content), received.body
        answer: object = None
        try:
            answer = await self._calls.attend(part, lambda: opened.protocol.on_request(*message), ANSWER_SECONDS, Exception)
        except Exception as error:  # noqa: BLE001  whatever it is, it is the plugin's
            self._failed(part, error)
        self._reply(part, received, answer)

    def _reply(self, part: Part, received: Received, answer: object) -> None:
        channel, now = self._joint.control, self._now()
        if isinstance(answer, Answer):
            try:
                channel.answer(received, answer.content, octets(answer.body), now)
            except LocalFault:
                self._calls.failed(part, "gave an answer that is too long, or not JSON")
            except Exception as error:  # noqa: BLE001  whatever it is, it is the plugin's
                self._failed(part, error)
            else:
                return
        elif answer is not None:
            self._calls.failed(part, f"gave a {type(answer).__name__}, wanted Answer or None")
        channel.refuse(received, now)

    def _failed(self, part: Part, error: Exception) -> None:
        """Put a failure on the plugin's account: where it was, and not its text, which may hold what the peer sent. Else a peer
        that sends something else each time would write a line into the log each time."""
        if isinstance(error, PluginFault):
            return  # it is there already
        cause = error.cause if isinstance(error, Escaped) else error
        self._calls.failed(part, error if isinstance(error, TookTooLong) else f"raised {place_of(cause)}")

    def _trouble(self, name: str, problem: str) -> None:
        self.problems[name] = problem
        log.error("a peer protocol does not run; traffic is not affected", kind=name, reason=problem)

    def _well(self, name: str) -> None:
        self.problems.pop(name, None)
        self._calls.well(Part("protocol", name, "open"))


def _short(kind: str) -> str:
    """What a plugin calls a kind: without its family."""
    return kind.partition(".")[2]
