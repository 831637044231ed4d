"""Passes on what newcomers say to the member that invited them, where they reach only this one. Nothing of it is kept or judged
here; the inviter judges."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from appliance.api.peer_protocol import Answer, PeerProtocolError, PeerProtocolServices
from appliance.members.enrolment import CERTIFICATE, FORWARDED, NETWORK
from appliance.members.proof import Claim

WITHIN: Final = 3.0
"""Seconds that the inviter may take. The newcomer's session has five."""


class PassingOn:
    """`peer_of(identity)`: what a member is called here, None for who is none."""

    def __init__(self, services: PeerProtocolServices, peer_of: Callable[[str], str | None]) -> None:
        self._services = services
        self._peer_of = peer_of

    async def ask(self, joiner: str, content: Mapping[str, Any], body: bytes) -> Answer | None:
        """Ask whom the newcomer `joiner` means, and give the answer. None: there is none."""
        to, name, claim = content.get("to"), content.get("ask"), Claim.read(content)
        peer = self._peer_of(to) if isinstance(to, str) else None
        if peer is None or claim is None or name not in {NETWORK, CERTIFICATE}:
            return None
        said = {"joiner": joiner, "ask": name, **claim.content()}
        try:
            return await self._services.ask(peer, FORWARDED, said, body, within=WITHIN)
        except PeerProtocolError:
            return None
