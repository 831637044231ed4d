"""Peers that knock at each other's NAT when they are asked, and say where a token came from: for netcheck, and to foretell ports.

knock   {"at": ENDPOINT}       request: send tokens from another port
where   {"tokens": [HEX, …]}   request: where did these tokens of mine come from? {"at": {HEX: ENDPOINT}}
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from appliance.api.peer_protocol import Answer, PeerProtocolError
from appliance.api.values import Endpoint
from appliance.foundation import clock
from appliance.members.candidates import MAX_TRIED, SCHEME, Judge
from appliance.members.far_ports import foretold
from appliance.members.reflections import Mapping as NatMapping
from appliance.runtime.members.path_hands import Hands

KNOCK_GAP: Final = 3.0
"""Seconds between two knocks that one peer asks for."""
KNOCKS: Final = 3
KNOCK_PAUSE: Final = 0.3
MOST_TOKENS: Final = 16
"""Tokens of one peer whose way is remembered."""
SETTLE_SECONDS: Final = 0.1
"""So that two tokens are there before the question where they came from."""
FORETELL_SECONDS: Final = 2.0
"""How long a peer may take to say where two tokens came from."""


class Knocking:
    """What one node does for its peers, and they for it."""

    def __init__(self, hands: Hands, judge: Judge) -> None:
        self._hands = hands
        self._judge = judge
        self._knocked: dict[str, float] = {}
        self._came: dict[str, OrderedDict[int, Endpoint]] = {}

    def heard(self, peer: str, token: int, source: Endpoint) -> None:
        """A token of `peer` came from there."""
        came = self._came.setdefault(peer, OrderedDict())
        came[token] = source
        if len(came) > MOST_TOKENS:
            came.popitem(last=False)

    def forget(self, peer: str) -> None:
        """It is gone."""
        self._knocked.pop(peer, None)
        self._came.pop(peer, None)

    # ---- for others ----

    def take_knock(self, peer: str, content: Mapping[str, Any]) -> Answer | None:
        """A peer wants tokens from another port. One that is spoken with directly gets them where it is."""
        hands, now = self._hands, clock.monotonic()
        session = hands.session(peer)
        if session is None or now - self._knocked.get(peer, -KNOCK_GAP) < KNOCK_GAP:
            return None
        at = session.endpoint if hands.is_direct(peer) else next(iter(self._judge.fit([content.get("at")])), None)
        if at is None or hands.around.refuses([at.host], "knock", peer):
            return None
        self._knocked[peer] = now
        hands.services.spawn(self._knock(peer, at), f"knock at {peer}")
        return Answer({})

    def take_where(self, peer: str, content: Mapping[str, Any]) -> Answer | None:
        """A peer asks where its tokens came from."""
        tokens = content.get("tokens")
        if not isinstance(tokens, list):
            return None
        known = {f"{token:016x}": str(source) for token, source in self._came.get(peer, {}).items()}
        asked = [token for token in tokens[:MOST_TOKENS] if isinstance(token, str) and token in known]
        return Answer({"at": {token: known[token] for token in asked}})

    async def _knock(self, peer: str, target: Endpoint) -> None:
        listener = self._hands.listener_for(target)
        if listener is None:
            return
        async with self._hands.around.ports.beside(listener) as links:
            for _ in range(KNOCKS if links else 0):
                self._hands.probe(peer, links[0].number, target)
                self._hands.settle()
                await self._hands.services.sleep(KNOCK_PAUSE)

    # ---- for this node ----

    async def ask_to_knock(self, peer: str, at: str, seconds: float) -> bool:
        """Ask `peer` to send tokens `at` this node from another port. Does one arrive? Raises PeerProtocolError if it does not
        try."""
        session = self._hands.session(peer)
        known = None if session is None else session.endpoint
        self._came.pop(peer, None)
        await self._hands.services.ask(peer, "knock", {"at": at}, within=seconds)
        await self._hands.services.sleep(seconds)
        sources = list(self._came.get(peer, {}).values())[:MAX_TRIED]
        if known is not None and known.scheme == SCHEME:
            return any(source.host == known.host and source.port != known.port for source in sources)
        return bool(sources)

    async def foretell(self, peers: Sequence[str]) -> tuple[NatMapping, Endpoint | None]:
        """Send two tokens from fresh ports to a peer that is spoken with directly, and hear where they came from: does this
        node's NAT count its ports, and which is next? UNKNOWN if no peer says so, or if the NAT keeps ports."""
        for peer in peers:
            session = self._hands.session(peer)
            listener = None if session is None or session.endpoint is None else self._hands.listener_for(session.endpoint)
            if session is None or session.endpoint is None or listener is None:
                continue
            async with self._hands.around.ports.beside(listener, 2) as links:
                tokens = [f"{self._hands.probe(peer, link.number, session.endpoint):016x}" for link in links]
                self._hands.settle()
                await self._hands.services.sleep(SETTLE_SECONDS)
                try:
                    answer = await self._hands.services.ask(peer, "where", {"tokens": tokens}, within=FORETELL_SECONDS)
                except PeerProtocolError:
                    continue
                at = answer.content.get("at")
                seen = [found for token in tokens for found in self._judge.fit([at.get(token)])] if isinstance(at, dict) else []
                if len(seen) == len(links) == 2:
                    return _told(seen[0], seen[1], links[0].local.port)
        return NatMapping.UNKNOWN, None


def _told(first: Endpoint, second: Endpoint, local: int) -> tuple[NatMapping, Endpoint | None]:
    following = foretold(first, second, local)
    if following is not None:
        return NatMapping.SEQUENTIAL, following
    return (NatMapping.UNKNOWN if first.port == local else NatMapping.DEPENDENT), None
