"""What every peer protocol does: get along with itself, bear whatever a peer says, and leave nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from appliance.api.peer_protocol import PeerProtocol, PeerProtocolKind
from appliance.protocol.events import PeerConnected, PeerGone
from appliance.testing.conformance.kinds import KindConformance
from appliance.testing.conformance.limits import missing
from appliance.testing.network import Network
from appliance.testing.peer_protocol import PeerProtocolPair
from appliance.wire.control import ControlMessage, encode

A_MINUTE = 60.0
"""Virtual seconds for which two nodes speak."""
TOO_MUCH = ("control-flood", "control-full", "control-reused")
"""What a node counts when the other one says more than the protocol's limits allow."""
STRANGE_CONTENTS: Mapping[str, Mapping[str, Any]] = {
    "nothing": {},
    "null everywhere": dict.fromkeys(("id", "name", "peer", "value", "x"), None),
    "other types": {"id": [], "name": {"a": [1.5, True]}, "peer": 7, "value": -(2**64) + 1},
    "long": {"x": "x" * 8000},
    "deep": {"x": [[[[[[[[[[[[{}]]]]]]]]]]]]},
    "odd text": {"name": "\0\n\x7f../../ünïcödé \U0001f980", "": 1},
}
BODIES = {"no body": b"", "zeros": bytes(100), "long body": b"\xff" * 8000}


class PeerProtocolConformance(KindConformance):
    """Subclass it, name the subclass Test…, and return your kind.

    `kinds`: the kinds of message that it takes, so that the suite can say them.
    """

    noun = "protocol"
    kinds: tuple[str, ...] = ()

    def kind(self) -> PeerProtocolKind:
        """The kind to try."""
        raise NotImplementedError

    def play(
        self,
        deed: Callable[[PeerProtocolPair], Awaitable[None]],
        *,
        alone: bool = False,
        network: Network | None = None,
    ) -> None:
        """Let two nodes speak it (or a only, when `alone`), do `deed`, and look whether all went well."""

        async def run() -> None:
            before = asyncio.all_tasks()
            async with PeerProtocolPair(
                self.kind(), a=self.settings(), b=None if alone else self.settings(), network=network
            ) as pair:
                assert pair.failures == []
                await deed(pair)
                assert pair.failures == []
            left = asyncio.all_tasks() - before
            assert not left, "tasks were left behind: start them by services.spawn"

        asyncio.run(run())

    def test_it_has_every_member(self) -> None:
        async def deed(pair: PeerProtocolPair) -> None:
            assert not missing(pair.a, PeerProtocol)

        self.play(deed)

    def test_two_nodes_get_along(self) -> None:
        async def deed(pair: PeerProtocolPair) -> None:
            await pair.pause(A_MINUTE)
            self._assert_within_limits(pair)

        self.play(deed)

    def test_they_do_where_records_are_lost_and_repeated(self) -> None:
        async def deed(pair: PeerProtocolPair) -> None:
            await pair.pause(A_MINUTE)
            self._assert_within_limits(pair)

        self.play(deed, network=Network(1, loss=0.2, repeats=0.1, jitter=0.05))

    def test_it_bears_a_peer_that_does_not_speak_it(self) -> None:
        async def deed(pair: PeerProtocolPair) -> None:
            await pair.pause(A_MINUTE)

        self.play(deed, alone=True)

    def test_it_bears_peers_that_come_and_go(self) -> None:
        async def deed(pair: PeerProtocolPair) -> None:
            told = pair.nodes["a"].protocols.hear
            for peer in ("nobody", "b", "nobody"):
                for event in (PeerConnected(peer, proved=True), PeerGone(peer), PeerGone(peer)):
                    told(event)
                    await pair.pause(1.0)
            await pair.part()
            await pair.pause(A_MINUTE)

        self.play(deed)

    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
    @pytest.mark.parametrize("content", STRANGE_CONTENTS.values(), ids=STRANGE_CONTENTS)
    def test_it_bears_whatever_a_peer_says(self, content: Mapping[str, Any], body: bytes) -> None:
        async def deed(pair: PeerProtocolPair) -> None:
            for kind in self._long_kinds():
                pair.nodes["a"].hear(encode(ControlMessage(kind, content, body)))
                await pair.pause(1.0)

        self.play(deed)

    @pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
    @pytest.mark.parametrize("content", STRANGE_CONTENTS.values(), ids=STRANGE_CONTENTS)
    def test_it_answers_or_refuses_whatever_a_peer_asks(self, content: Mapping[str, Any], body: bytes) -> None:
        async def deed(pair: PeerProtocolPair) -> None:
            kinds = self._long_kinds()
            before = self._ended(pair)
            for number, kind in enumerate(kinds, start=1):
                pair.nodes["a"].hear(encode(ControlMessage(kind, content, body, request=number)))
                await pair.pause(1.0)
            await pair.until(lambda: self._ended(pair) >= before + len(kinds))

        self.play(deed)

    def test_it_is_opened_again(self) -> None:
        async def deed(pair: PeerProtocolPair) -> None:
            running = pair.nodes["a"].protocols
            for _ in range(3):
                await running.use({})
                await running.use(pair.nodes["a"].settings)
                await pair.pause(1.0)

        self.play(deed)

    def _long_kinds(self) -> list[str]:
        """Its kinds as they travel, and one that it does not know."""
        name = self.kind().name
        return [name, f"{name}.no-such-kind", *(f"{name}.{kind}" for kind in self.kinds if kind)]

    def _ended(self, pair: PeerProtocolPair) -> int:
        figures = pair.nodes["a"].figures
        return figures.get("answered", 0) + figures.get("refused", 0)

    def _assert_within_limits(self, pair: PeerProtocolPair) -> None:
        for node in pair.nodes.values():
            wrong = {name: node.figures[name] for name in TOO_MUCH if name in node.figures}
            assert not wrong, f"it says more than its own limits allow: {wrong}"
