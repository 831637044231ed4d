"""Two nodes that speak a peer protocol, on a simulated network in virtual time: to test a protocol without a host.

    async with PeerProtocolPair(KIND, a={"facts": {"moon": "full"}}) as pair:
        answer = await pair.run(pair.a.asks("moon"))        # pair.a is what `open` returned on node a
        await pair.until(lambda: pair.b.heard == 1)

Sessions, loss, repetition and budgets are the real ones; time passes when both protocols have nothing to do. It passes too fast
for a protocol that waits for something real (a thread, a socket): let it use `services.sleep`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from appliance.api.peer_protocol import PeerProtocolKind
from appliance.errors import PluginFault
from appliance.protocol.control_channel import ControlChannel
from appliance.protocol.session import SessionState
from appliance.runtime.peers.protocols import PeerProtocols
from appliance.runtime.plugins.account import Part
from appliance.runtime.plugins.calls import PluginCalls
from appliance.testing.network import Network
from appliance.testing.pair import Pair
from appliance.testing.simulated_host import SimulatedHost
from appliance.wire.envelope import CHANNEL_CONTROL, PacketType

TURNS: Final = 50
"""Turns of the loop that tasks get before time passes."""
PATIENCE: Final = 0.001
"""Real seconds between two looks at a protocol that rests."""
LONGEST: Final = 120.0
"""Virtual seconds that a test waits at most."""
Result = TypeVar("Result")


class _Calls(PluginCalls):
    """Remembers what failed."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: list[str] = []
        self.reports: list[str] = []

    def failed(self, part: Part, error: BaseException | str, *more: Any) -> PluginFault:
        fault = super().failed(part, error, *more)
        self.failures.append(fault.message)
        return fault

    def reported(self, part: Part, problem: str) -> None:
        super().reported(part, problem)
        if problem:
            self.reports.append(problem)


class Speaker:
    """One node, and the protocols it speaks."""

    def __init__(self, host: SimulatedHost, kind: PeerProtocolKind, settings: Mapping[str, Any] | None) -> None:
        self.host = host
        self.settings = {} if settings is None else {kind.name: settings}
        self._kind = kind
        self._calls = _Calls()
        clock = host.network.clock
        self.protocols = PeerProtocols({kind.name: kind}, self, self._calls, now=lambda: clock.now, sleep=self._sleep)
        host.listener = self.protocols.hear

    @property
    def control(self) -> ControlChannel:
        """The control channel of its node."""
        return self.host.node.control

    @property
    def failures(self) -> list[str]:
        """What the protocol failed at, in sentences."""
        return [*self.protocols.problems.values(), *self._calls.failures]

    @property
    def reports(self) -> list[str]:
        """What the protocol reported to the admin."""
        return self._calls.reports

    @property
    def figures(self) -> Mapping[str, int]:
        """What was counted in the protocol."""
        return self.control.counters(self._kind.name)

    def settle(self) -> None:
        """Let the node do what it wants."""
        self.host.pump()

    def hear(self, encoded: bytes) -> None:
        """Let `encoded` come as a control message of the peer's, whatever it is."""
        for session in [each for each in self.host.node.sessions.values() if each.state is SessionState.ACTIVE]:
            self.host.node.handle_message(session.index, PacketType.DATA, CHANNEL_CONTROL, encoded, self.host.network.now)
        self.host.pump()

    async def _sleep(self, seconds: float) -> None:
        awake = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not awake.done():
                awake.set_result(None)

        self.host.network.clock.call_later(seconds, wake)
        await awake


class PeerProtocolPair:
    """Nodes `a` and `b`, each other's peers by these names. Settings of None: that node does not speak it."""

    def __init__(
        self,
        kind: PeerProtocolKind,
        a: Mapping[str, Any] | None,
        b: Mapping[str, Any] | None,
        network: Network | None = None,
        nodes: Mapping[str, Any] | None = None,
    ) -> None:
        """`network` may lose and repeat; `nodes` are further arguments for `testing.pair.Pair`."""
        self._kind = kind
        self._pair = Pair(network, **(nodes or {}))
        self.network = self._pair.network
        self.nodes = {"a": Speaker(self._pair.a, kind, a), "b": Speaker(self._pair.b, kind, b)}

    @property
    def a(self) -> Any:
        """What `open` returned on node a."""
        return self.nodes["a"].protocols.opened(self._kind.name)

    @property
    def b(self) -> Any:
        """What `open` returned on node b."""
        return self.nodes["b"].protocols.opened(self._kind.name)

    @property
    def failures(self) -> list[str]:
        """What the protocol failed at, on either node."""
        return [failure for node in self.nodes.values() for failure in node.failures]

    async def __aenter__(self) -> Self:
        """Both run and have a session."""
        for node in self.nodes.values():
            await node.protocols.use(node.settings)
        self._pair.connect()
        await self.pause(0.1)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End both protocols."""
        for node in self.nodes.values():
            await node.protocols.close()

    async def part(self) -> None:
        """Let the session break, and neither node find the other again."""
        for node in self.nodes.values():
            node.host.shutdown()
        await self.pause(0.1)

    async def run(self, work: Awaitable[Result], seconds: float = LONGEST) -> Result:
        """What `work` gives, within so many virtual seconds. Raises TimeoutError when it takes longer."""
        task = asyncio.ensure_future(work)
        try:
            await self.until(task.done, seconds)
            return task.result()
        finally:
            task.cancel()

    async def until(self, condition: Callable[[], bool], seconds: float = LONGEST) -> None:
        """Let time pass until `condition()`. Raises TimeoutError when that is not within so many virtual seconds."""
        limit = self.network.now + seconds
        while not condition():
            await self._turn()
            if not condition() and not self.network.clock.advance(limit):
                await self._turn()
                if not condition():
                    raise TimeoutError(f"not within {seconds:g} s")

    async def pause(self, seconds: float) -> None:
        """Let so much virtual time pass."""
        limit = self.network.now + seconds
        await self._turn()
        while self.network.clock.advance(limit):
            await self._turn()

    async def _turn(self) -> None:
        """Let all tasks do what they can do now."""
        for _ in range(TURNS):
            await asyncio.sleep(0)
        while not all(node.protocols.idle for node in self.nodes.values()):  # noqa: ASYNC110  it wakes by real time
            await asyncio.sleep(PATIENCE)
