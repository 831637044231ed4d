"""What one peer protocol gets from the core (api.peer_protocol.PeerProtocolServices)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final, Protocol

from appliance.api.peer_protocol import NOTHING, Answer, NotConnected, PeerProtocolError, Refused, TimedOut, TooMuch
from appliance.errors import LocalFault
from appliance.protocol.control_channel import ControlChannel, Hindrance, NotSent
from appliance.protocol.requests import Failure
from appliance.runtime.plugins.calls import PluginCalls
from appliance.runtime.plugins.services import PluginServices

HINDRANCES: Final[Mapping[Hindrance, tuple[type[PeerProtocolError], str]]] = {
    Hindrance.NO_SESSION: (NotConnected, "there is no session with {peer}"),
    Hindrance.TOO_FAST: (TooMuch, "more to {peer} than the protocol's limits allow"),
    Hindrance.TOO_MANY: (TooMuch, "as many requests to {peer} wait as the protocol's limits allow"),
}
FAILURES: Final[Mapping[str, tuple[type[PeerProtocolError], str]]] = {
    Failure.TIMED_OUT: (TimedOut, "{peer} did not answer in time"),
    Failure.PEER_GONE: (NotConnected, "the last session with {peer} ended before the answer came"),
    Failure.REFUSED: (Refused, "{peer} has no answer"),
}


class Joint(Protocol):
    """The part of a node that peer protocols need."""

    @property
    def control(self) -> ControlChannel:
        """The control channel of the sessions."""

    def settle(self) -> None:
        """Do what the control channel wants now."""


class ProtocolServices(PluginServices):
    """Those of the protocol `name`."""

    def __init__(
        self,
        name: str,
        joint: Joint,
        peers: AbstractSet[str],
        calls: PluginCalls,
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        super().__init__(calls, "protocol", name)
        self._name = name
        self._joint = joint
        self._peers = peers
        self._now = now
        self._sleep = sleep
        self._asked: dict[int, tuple[str, asyncio.Future[Answer]]] = {}
        self._settling: asyncio.Handle | None = None

    async def sleep(self, seconds: float) -> None:
        """On the daemon's clock."""
        await self._sleep(seconds)

    def peers(self) -> frozenset[str]:
        """Those with a session now."""
        return frozenset(self._peers)

    def figures(self) -> Mapping[str, int]:
        """So far."""
        return self._joint.control.counters(self._name)

    def send(self, peer: str, kind: str, content: Mapping[str, Any] = NOTHING, body: bytes = b"") -> None:
        """Best effort."""
        self._say(peer, lambda: self._joint.control.send(peer, self._long(kind), content, octets(body), self._now()))

    async def ask(
        self, peer: str, kind: str, content: Mapping[str, Any] = NOTHING, body: bytes = b"", *, within: float = 10.0
    ) -> Answer:
        """Until it is answered."""
        seconds = within if within > 0 else 0.0
        number = self._say(
            peer, lambda: self._joint.control.ask(peer, self._long(kind), content, octets(body), seconds, self._now())
        )
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._asked[number] = peer, answer
        try:
            return await answer
        finally:
            if self._asked.pop(number, None) is not None:
                self._joint.control.cancel(number)

    def answered(self, number: int, answer: Answer) -> None:
        """A request was answered."""
        _, waiting = self._asked.pop(number, ("", None))
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def failed(self, number: int, reason: str) -> None:
        """A request was not answered."""
        peer, waiting = self._asked.pop(number, ("", None))
        if waiting is not None and not waiting.done():
            error, text = FAILURES[reason]
            waiting.set_exception(error(text.format(peer=peer)))

    async def close(self) -> None:
        """End all tasks, and whatever else waits for an answer."""
        await super().close()
        for _, waiting in list(self._asked.values()):
            waiting.cancel()
        if self._settling is not None:
            self._settling.cancel()

    def _long(self, kind: str) -> str:
        return f"{self._name}.{kind}" if kind else self._name

    def _say(self, peer: str, deed: Callable[[], Any]) -> Any:
        try:
            said = deed()
        except NotSent as hindered:
            error, text = HINDRANCES[hindered.reason]
            raise error(text.format(peer=peer)) from None
        except LocalFault as fault:
            raise ValueError(fault.message) from None
        if self._settling is None:  # later: it may be the node that calls, in the middle of its own settling
            self._settling = asyncio.get_running_loop().call_soon(self._settle)
        return said

    def _settle(self) -> None:
        self._settling = None
        self._joint.settle()


def octets(body: object) -> bytes:
    """The bytes of a body. Raises ValueError when it is none: of a number `bytes` would make as many zeros."""
    if not isinstance(body, bytes | bytearray | memoryview):
        raise ValueError(f"a control message whose body is a {type(body).__name__}, wanted bytes")  # noqa: TRY004  as for all else
    return bytes(body)
