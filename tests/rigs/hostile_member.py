"""A member that offers certificates without end, and a crowd of strangers that finish their handshakes and prove nothing.

usage: python -m tests.rigs.hostile_member ENDPOINT FINGERPRINT KEY PROOF SOURCES

Calls the node at ENDPOINT from the first of the comma-separated SOURCES as the member whose identity is in the file KEY and whose
proof is in the file PROOF, and prints a line when it is taken for one. Then obeys lines on standard input, and answers each:
`offer N`: so many certificates that the owner might have signed, each of another node, as fast as they go out; `crowd N`: so many
strangers, by turns from SOURCES. Ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from appliance.api.values import Endpoint
from appliance.members.certificate import read_proof
from appliance.members.parcel import pack_parcel, parcels
from appliance.protocol import events
from appliance.protocol.families import Family
from appliance.protocol.identity import Identity
from appliance.runtime.members.member_family import FAMILY, LIMITS
from appliance.wire.control import ControlMessage, encode
from appliance.wire.envelope import CHANNEL_CONTROL, PacketType
from tests.rigs.crowd import Caller
from tests.rigs.hostile import Sealed

PATIENCE = 60.0
MOST_KEPT = 1 << 17
"""Bytes."""


class Member(Caller):
    """Proves that it is one, and then says what no member would."""

    def __init__(self, to: Endpoint, fingerprint: str, source: str, identity: Identity, proof: bytes) -> None:
        super().__init__(0, to, fingerprint, source, identity)
        self._proof = proof
        self.sessions = 0
        self._asked = 0
        self.node.control.speak(Family(FAMILY, LIMITS, before_membership=True))

    def _obey(self, event: events.Event) -> None:
        super()._obey(event)
        if isinstance(event, events.SessionConfirmed):
            self.sessions += 1
        elif isinstance(event, events.ControlWaiting):
            while (asked := self.node.control.next(FAMILY)) is not None:
                if asked.request is not None:
                    content, body = ({"known": True}, self._proof) if asked.kind == "member.prove" else ({"more": False}, b"")
                    self.node.control.answer(asked, content, body, self._loop.time())

    def _send(self, packet: bytes) -> None:
        """Keep what the stream does not take yet: half a record would be the end of it."""
        self._out += packet
        self._flush()

    def _flush(self) -> None:
        if self._sock is None:
            self._out = b""
            return
        with suppress(BlockingIOError):
            self._out = self._out[self._sock.send(self._out) :]
        if self._out:
            self._loop.add_writer(self._sock.fileno(), self._flush)
        else:
            self._loop.remove_writer(self._sock.fileno())

    async def drained(self) -> None:
        """Wait until little is left to go out."""
        await until(lambda: len(self._out) < MOST_KEPT)

    def offer(self, statements: list[bytes]) -> None:
        """Tell these, whatever the node says to it."""
        self._asked += 1
        told = encode(ControlMessage(f"{FAMILY}.statement", {}, pack_parcel(statements), request=self._asked))
        self.harass(Sealed(PacketType.DATA, CHANNEL_CONTROL, told))


async def attack(to: Endpoint, fingerprint: str, identity: Identity, proof: bytes, sources: list[str]) -> None:
    """Obey until there is nothing more to do."""
    member = Member(to, fingerprint, sources[0], identity, proof)
    member.call()
    await until(lambda: member.sessions == 2)  # as a stranger, and then as a member
    tell({"member": True})
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := (await lines.readline()).decode().split():
        count = int(line[1])
        if line[0] == "offer":
            await offer(member, forged(read_proof(proof)[-1], identity, count))
            tell({"offered": count, "session": member.active is not None})
        else:
            await crowd([Caller(1 + each, to, fingerprint, sources[each % len(sources)]) for each in range(count)])
            tell({"called": count})


def forged(good: bytes, identity: Identity, count: int) -> list[bytes]:
    """So many certificates like a good one, each about another node."""
    at = good.index(identity.public.digest)
    return [good[:at] + each.to_bytes(32, "big") + good[at + 32 :] for each in range(count)]


async def offer(member: Member, statements: list[bytes]) -> None:
    """All of them, without waiting for an answer."""
    for parcel in parcels(statements):
        member.offer(parcel)
        await member.drained()


async def crowd(strangers: list[Caller]) -> None:
    """They call all at once, until half of them have had a session."""
    for stranger in strangers:
        stranger.call()
        await asyncio.sleep(0)
    await until(lambda: 2 * sum(stranger.node.counters["completed"] > 0 for stranger in strangers) >= len(strangers))
    for stranger in strangers:
        stranger.close()


async def until(done: Callable[[], bool]) -> None:
    """Wait for something that happens in this process."""
    async with asyncio.timeout(PATIENCE):
        while not done():  # noqa: ASYNC110  many small events
            await asyncio.sleep(0.001)


def tell(answer: dict[str, object]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    address, theirs, key, shown, froms = sys.argv[1:]
    known = Identity.from_pem(Path(key).read_bytes())
    asyncio.run(attack(Endpoint.parse(address), theirs, known, Path(shown).read_bytes(), froms.split(",")))
