"""The hash table of a network in one node: hosts the pure machine, and lets programs of this host wait for what they look up.

This node puts where it can be called under its own identity and renews that, so that a member is found by its identity alone
(discovery kind `dht`). What the machine keeps, its own records and those of others, is on the disk:

mesh-LABEL/dht    records, each behind its length (u16); signed, so whatever is damaged is left out when it is judged
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from appliance.api.peer_protocol import Limits
from appliance.errors import ApplianceError, ExitCode
from appliance.foundation import entropy
from appliance.foundation.logging import get_logger, once_per
from appliance.foundation.tasks import Tasks
from appliance.knowledge.dht.jobs import Finished
from appliance.knowledge.dht.node import Dht
from appliance.knowledge.dht.searching import DhtRefused
from appliance.knowledge.dht.store import value_of
from appliance.knowledge.dht.wire import MOST_VALUE
from appliance.members.certified import Certified
from appliance.members.network import digest_of_text, identity_text
from appliance.runtime.knowledge.hosting import Hosted
from appliance.runtime.knowledge.place_record import key_of, place_of, read_place
from appliance.runtime.knowledge.seeking import seeking
from appliance.runtime.members.row_file import KeptRows, read_rows

if TYPE_CHECKING:
    from appliance.api.discovery import DiscoveryKind
    from appliance.api.peer_protocol import PeerProtocolKind
    from appliance.members.row import Digest, Row
    from appliance.runtime.knowledge.around import Around

log = get_logger("dht")

NAME: Final = "dht"
LIMITS: Final = Limits(messages=100.0, bytes=524_288.0)
"""Of one member: its look-ups ask this node a few times each, and what it republishes comes in pieces."""
MOST_WAITING: Final = 64
"""Look-ups of programs at a time."""
PLACE_SECONDS: Final = 6 * 3600.0
"""For how long this node's place is put."""
RENEW_SECONDS: Final = PLACE_SECONDS / 3
LOOK_SECONDS: Final = 5.0
"""Between two looks whether this node's place is another; they cost nothing."""
FIRST_PAUSE: Final = 10.0
LONGEST_PAUSE: Final = 600.0
"""Seconds until it is put again if nobody takes it; doubled each time."""
REMEMBERED_AT_ONCE: Final = 32
"""Records of the disk that are judged in one turn of the loop: 5 ms."""
KEEP_SECONDS: Final = 120.0
"""Between two writes of the file while records change: it has up to 4 MiB."""
ALONE_SECONDS: Final = 120.0
"""With members connected, and none of them in the table, that is worth a warning."""
SAID_EVERY: Final = 600.0
AMOUNTS: Final = frozenset({"nodes", "buckets", "records", "providers", "bytes", "own", "lookups"})
"""Of the machine's figures: how much there is now. The others count."""


class TableBusy(ApplianceError):
    """Nothing can be looked up now."""

    exit_code = ExitCode.RETRY
    retryable = True


class HashTable:
    """The part."""

    def __init__(self, around: Around) -> None:
        mesh = self._mesh = around.mesh
        self._around = around
        self.network: Digest = digest_of_text(mesh.trust.network.fingerprint)
        self.own: Digest = digest_of_text(mesh.own)
        self.machine = Dht(
            self.own,
            self.network,
            Certified(mesh.trust).keys,
            mesh.parts.identity.sign_ed25519,
            entropy.jitter,
            mesh.parts.monotonic(),
        )
        self._waiting: dict[int, asyncio.Future[Finished]] = {}
        self._hosted = Hosted(NAME, self.machine, mesh, around.judged, LIMITS, self._settle)
        self._kept = KeptRows(mesh.parts.folder.path, self.machine.kept, NAME, KEEP_SECONDS)
        self._tasks = Tasks()
        self._remembered = self._ended = False
        self._in_touch = mesh.parts.monotonic()
        """When somebody was in the table last, or nobody could be."""

    # ---- what the node asks (runtime.knowledge.part) ----

    def kinds(self) -> Iterator[PeerProtocolKind]:
        """Its family."""
        yield self._hosted.kind

    def discovery(self) -> Iterator[DiscoveryKind]:
        """Members are looked up by their identity."""
        yield seeking(NAME, self._around, self.row_of)

    async def start(self) -> None:
        """Remember what was kept, and say where this node is."""
        self._around.shared.providers = self
        self._tasks.spawn(self._remember(), "remember records of the hash table")
        self._tasks.spawn(self._tell_place(), "put this node's place into the hash table")

    async def close(self) -> None:
        """End all look-ups, with what is kept on the disk. What could not all be read yet stays there as it is."""
        self._ended = True
        self._around.shared.providers = None
        await self._tasks.close()
        self._hosted.close()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(_ends())
        await self._kept.close(write=self._remembered)

    @property
    def problem(self) -> str:
        """That nobody answers is none: a first member is alone, and this node goes on asking."""
        return f"records cannot be kept on the disk: {self._kept.problem}" if self._kept.problem else ""

    @property
    def warning(self) -> str:
        """What should not be so, and ends by itself perhaps."""
        now = self._mesh.parts.monotonic()
        return "members are connected, and none of them answers" if now - self._in_touch > ALONE_SECONDS else ""

    def status(self) -> Mapping[str, Any]:
        """For people."""
        return {**self.stats(), "warning": self.warning, **self.machine.figures(), **self._hosted.counters}

    def counters(self) -> Mapping[str, int]:
        """What happened in the table, and with what was asked."""
        happened = {what: number for what, number in self.machine.figures().items() if what not in AMOUNTS}
        return {**happened, **self._hosted.counters}

    def stats(self) -> dict[str, int]:
        """What the short paths tell of the table: `totalNodes`, `bucketsUsed`, and how many of the nodes the profile names."""
        contacts = self.machine.nodes()
        first = {entry.identity for entry in self._mesh.settings.bootstrap}
        return {
            "totalNodes": len(contacts),
            "bucketsUsed": len({contact.bucket for contact in contacts}),
            "bootstrapNodes": sum(identity_text(contact.member) in first for contact in contacts),
        }

    # ---- what programs of this host ask ----

    async def put(self, key: bytes, value: bytes, seconds: float) -> Finished:
        """Have a record of this node kept. Raises TableBusy."""
        return await self._ask(lambda now, wall: self.machine.put(key, value, seconds, now, wall))

    async def get(self, key: bytes) -> Finished:
        """The records under a key, of each writer one. Raises TableBusy."""
        return await self._ask(lambda now, wall: self.machine.get(key, now, wall))

    async def provide(self, key: bytes, seconds: float) -> Finished:
        """Say that this node has what the key names. Raises TableBusy."""
        return await self._ask(lambda now, wall: self.machine.provide(key, seconds, now, wall))

    def withdraw(self, key: bytes) -> None:
        """It has it no more."""
        self._hosted.do(lambda now, wall: self.machine.withdraw(key, now, wall))

    async def providers(self, key: bytes) -> Finished:
        """Who has it. Raises TableBusy."""
        return await self._ask(lambda now, wall: self.machine.providers(key, now, wall))

    async def find(self, member: Digest) -> Finished:
        """The members closest to one. Raises TableBusy."""
        return await self._ask(lambda now, wall: self.machine.find(member, now, wall))

    def add(self, member: Digest) -> None:
        """Ask it, and have it in the table if it answers."""
        self._hosted.do(lambda now, wall: self.machine.add(member, now, wall))

    def remove(self, member: Digest) -> None:
        """Have it in the table no more, until it answers again."""
        self._hosted.do(lambda now, _wall: self.machine.remove(member, now))

    async def row_of(self, identity: str) -> Row | None:
        """Where that member says that it can be called, by its own record. None: nobody knows."""
        member = digest_of_text(identity)
        with suppress(TableBusy, DhtRefused):
            found = await self.get(key_of(member))
            values = [value_of(record) for record in found.records if record.member == member]
            return read_place(values[0], self.network, member) if values else None
        return None

    async def _ask(self, verb: Callable[[float, float], int]) -> Finished:
        if self._ended:
            raise _ends()
        if len(self._waiting) >= MOST_WAITING:
            raise TableBusy(f"{MOST_WAITING} look-ups are under way", hint="try again in a moment")
        done: asyncio.Future[Finished] = asyncio.get_running_loop().create_future()

        def begin(now: float, wall: float) -> int:
            number = verb(now, wall)
            self._waiting[number] = done  # before it can have finished
            return number

        number = self._hosted.do(begin)
        try:
            return await done
        finally:
            self._waiting.pop(number, None)

    # ---- what happens meanwhile ----

    def _settle(self) -> None:
        """The machine has done something."""
        finished = list(self.machine.finished)
        self.machine.finished.clear()
        for each in finished:
            waiting = self._waiting.get(each.number)
            if waiting is not None and not waiting.done():
                waiting.set_result(each)
        if self._remembered:
            self._kept.soon()

    async def _remember(self) -> None:
        records = await asyncio.to_thread(read_rows, self._mesh.parts.folder.path, NAME)
        for at in range(0, len(records), REMEMBERED_AT_ONCE):
            self._hosted.do(partial(self.machine.remember, records[at : at + REMEMBERED_AT_ONCE]))
            await asyncio.sleep(0)
        self._remembered = True
        self._kept.soon()

    async def _tell_place(self) -> None:
        """Put this node's place when it is another, and before it expires."""
        parts, told, due, pause = self._mesh.parts, b"", 0.0, FIRST_PAUSE
        while True:
            await parts.sleep(LOOK_SECONDS)
            self._look_for_company()
            place = self._place()
            if not place or (place == told and parts.monotonic() < due):
                continue
            if place != told:
                told, due, pause = place, 0.0, FIRST_PAUSE
            if parts.monotonic() < due:
                continue
            with suppress(TableBusy, DhtRefused):
                done = await self.put(key_of(self.own), place, PLACE_SECONDS)
                if done.stored_at > 1:  # it is one of them
                    due, pause = parts.monotonic() + RENEW_SECONDS, FIRST_PAUSE
                    continue
            due, pause = parts.monotonic() + pause, min(2 * pause, LONGEST_PAUSE)

    def _place(self) -> bytes:
        row = self._around.gossip.rows().get(self.own)
        return b"" if row is None else place_of(row, MOST_VALUE)

    def _look_for_company(self) -> None:
        mesh, now = self._mesh, self._mesh.parts.monotonic()
        connected = mesh.parts.driver.connected_peers()
        if self.machine.nodes() or not any(mesh.member(peer) for peer in connected):
            self._in_touch = now
        elif self.warning and once_per(SAID_EVERY, "nobody in the hash table"):
            log.warning("no member answers the hash table", members=len(connected), hint="is mesh.dht off on all others?")


def _ends() -> TableBusy:
    return TableBusy("this node's hash table ends", hint="try again when the node runs, and has one")
