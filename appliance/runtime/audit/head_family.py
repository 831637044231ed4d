"""The family `heads`: nodes give each other the newest signed heads of their logs, and ask for them back.

    heads.head   message   a signed head of who sends it
    heads.kept   request   answer  heads that are kept of who asks, the first and the newest, one behind the other

A node gives its head to a few of its peers: always the same ones while they are there, so that each has a row of them. What
contradicts an earlier head is kept too: both are signed, and together they prove that the log was changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from appliance.api.peer_protocol import Answer, PeerProtocolError, PeerProtocolServices, TooMuch
from appliance.management.audit.head import SIGNED_BYTES, HeadInvalid, SignedHead, read_signed
from appliance.management.audit.keeping import NodeHeads, Taken
from appliance.protocol.digests import sha256
from appliance.runtime.node.strangers import is_stranger

COPIES: Final = 3
"""Peers that get the heads."""
EVERY: Final = 600.0
SOON: Final = 2.0
"""Seconds from a peer's coming to the head that it gets: of many who come at once the same three get it."""
ASK_SECONDS: Final = 10.0
ASK_PAUSE: Final = 1.0
"""Seconds between two questions: somebody who asks for ever leaves room for the heads."""


class Joint(Protocol):
    """What the family needs of its node."""

    own: str
    """The node's fingerprint."""

    def identity_of(self, peer: str) -> str:
        """A peer's fingerprint; "" if there is no such peer."""

    async def newest(self) -> SignedHead | None:
        """The newest head of the own log; None: there is none now."""

    def take(self, peer: str, signed: SignedHead) -> Taken:
        """A head of that peer came."""

    def kept(self, node: str) -> NodeHeads:
        """What is kept of that node."""


class HeadFamily:
    """The open family (`api.peer_protocol.PeerProtocol`)."""

    def __init__(self, joint: Joint, services: PeerProtocolServices) -> None:
        self._joint = joint
        self._services = services
        self._told: dict[str, int] = {}
        """The number of the last entry that each peer was told of."""
        self._soon = False
        self._asking = asyncio.Lock()
        self.counted: dict[str, int] = {}
        """Heads that came, by what they were."""
        services.spawn(self._tell_for_ever(), "give heads of the audit log")

    def on_connected(self, peer: str) -> None:
        """It gets a head, if it is one of those who get them."""
        if not is_stranger(peer):
            self._tell_later()

    def on_gone(self, peer: str) -> None:
        """Whoever comes back is told again."""
        self._told.pop(peer, None)

    def on_message(self, peer: str, kind: str, _content: Mapping[str, Any], body: bytes) -> None:
        """A head."""
        if kind == "head" and not is_stranger(peer):
            self._take(peer, body)

    async def on_request(self, peer: str, kind: str, _content: Mapping[str, Any], _body: bytes) -> Answer | None:
        """Somebody asks for its own heads."""
        if kind != "kept" or is_stranger(peer):
            return None
        return Answer(body=b"".join(each.pack() for each in self._joint.kept(self._joint.identity_of(peer)).ends))

    async def ask(self, peer: str) -> Sequence[SignedHead]:
        """The heads of this node that `peer` keeps. Raises PeerProtocolError, HeadInvalid."""
        await self._asking.acquire()
        try:
            answer = await self._services.ask(peer, "kept", within=ASK_SECONDS)
        finally:
            self._services.spawn(self._let_ask(), "let the next one ask for heads")
        found = [read_signed(answer.body[at : at + SIGNED_BYTES]) for at in range(0, len(answer.body), SIGNED_BYTES)]
        return [each for each in found if each.node == self._joint.own]

    def _take(self, peer: str, body: bytes) -> None:
        try:
            signed = read_signed(body)
            taken = str(self._joint.take(peer, signed)) if signed.node == self._joint.identity_of(peer) else "foreign"
        except HeadInvalid:
            taken = "invalid"
        self.counted[taken] = self.counted.get(taken, 0) + 1

    async def _let_ask(self) -> None:
        await self._services.sleep(ASK_PAUSE)
        self._asking.release()

    def stats(self) -> Mapping[str, int]:
        """For `appliance status --json`."""
        return self.counted

    async def _tell_for_ever(self) -> None:
        while True:
            await self._services.sleep(EVERY * (1 + self._services.jitter() / 10))
            await self._tell()

    def _tell_later(self) -> None:
        if not self._soon:
            self._soon = True
            self._services.spawn(self._tell_soon(), "give a head of the audit log")

    async def _tell_soon(self) -> None:
        await self._services.sleep(SOON)
        self._soon = False
        await self._tell()

    async def _tell(self) -> None:
        head = await self._joint.newest()
        if head is None:
            return
        for peer in self._chosen():
            if self._told.get(peer) != head.head.number:
                try:
                    self._services.send(peer, "head", body=head.pack())
                    self._told[peer] = head.head.number
                except TooMuch:
                    self._tell_later()
                except PeerProtocolError:  # it is told when it is there again
                    pass

    def _chosen(self) -> list[str]:
        """The same peers as long as they are there, and others for others: by hashes, so nobody has to agree on it."""
        there = [peer for peer in self._services.peers() if not is_stranger(peer)]
        return sorted(there, key=lambda peer: sha256(f"{self._joint.own} {self._joint.identity_of(peer)}".encode()))[:COPIES]
