"""What callers of the control socket ask about the hash table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from appliance.errors import ApplianceError, ExitCode
from appliance.foundation import clock
from appliance.knowledge.dht.ids import MOST_KEY, node_id, pack_id
from appliance.knowledge.dht.store import value_of
from appliance.knowledge.dht.wire import MOST_VALUE
from appliance.knowledge.signed import MOST_SECONDS
from appliance.members.network import identity_text
from appliance.runtime.knowledge import arguments
from appliance.runtime.plugins.routes import BadArguments

if TYPE_CHECKING:
    from appliance.knowledge.dht.jobs import Finished
    from appliance.knowledge.signed import Record
    from appliance.members.row import Digest
    from appliance.runtime.knowledge.dht import HashTable
    from appliance.runtime.knowledge.part import Knowledge

DAY: Final = 86400.0
LEAST_SECONDS: Final = 60.0


class NothingFound(ApplianceError):
    """Nobody knows of it, or nobody who was asked."""


class NothingKept(ApplianceError):
    """No member keeps the record."""

    exit_code = ExitCode.RETRY
    retryable = True


class Questions:
    """About one node's hash table."""

    def __init__(self, knowledge: Knowledge, table: HashTable) -> None:
        self._table = table
        self._mesh = knowledge.around.mesh
        self._gossip = knowledge.around.gossip

    async def put(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Have a record kept."""
        arguments.only("dht.put", args, ("key", "value", "base64", "seconds"))
        key = arguments.key_of("dht.put", args, MOST_KEY)
        value = arguments.value_of("dht.put", args, MOST_VALUE)
        seconds = self._seconds("dht.put", args)
        return self._kept(key, await self._table.put(key, value, seconds))

    async def get(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """The records under a key."""
        arguments.only("dht.get", args, ("key",))
        key = arguments.key_of("dht.get", args, MOST_KEY)
        done = await self._table.get(key)
        if not done.records:
            raise NothingFound(
                f"nobody knows a record under {_text(key)!r}", hint="it was never put, or its time is over: appliance dht put"
            )
        return {"key": _text(key), "records": [self._record(each) for each in done.records]} | _figures(done)

    async def provide(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Say that this node has what a key names, or has it no more."""
        arguments.only("dht.provide", args, ("key", "seconds", "withdraw"))
        key, withdraw = arguments.key_of("dht.provide", args, MOST_KEY), args.get("withdraw", False)
        if not isinstance(withdraw, bool):
            raise BadArguments("dht.provide: withdraw is true or false")
        if withdraw:
            self._table.withdraw(key)
            return {"key": _text(key), "stored_at": 0, "hops": 0, "seconds": 0.0}
        seconds = self._seconds("dht.provide", args)
        return self._kept(key, await self._table.provide(key, seconds))

    async def providers(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Who has what a key names."""
        arguments.only("dht.providers", args, ("key",))
        key = arguments.key_of("dht.providers", args, MOST_KEY)
        done = await self._table.providers(key)
        if not done.providers:
            raise NothingFound(f"nobody says to have {_text(key)!r}", hint="members say so with: appliance dht provide")
        return {"key": _text(key), "providers": self._members(done.providers)} | _figures(done)

    async def find(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """A member by its identity: where it says that it is, and the members closest to it."""
        arguments.only("dht.find", args, ("member",))
        member = arguments.member_of("dht.find", args, self._mesh)
        row = await self._table.row_of(identity_text(member))
        done = await self._table.find(member)
        if row is None and not done.ok:
            raise NothingFound(
                f"nobody knows where {self._name(member)} is", hint="it says so while it runs, if mesh.dht is not off there"
            )
        return {
            **self._member(member),
            "answers": done.ok,
            "endpoints": [] if row is None else [str(each.endpoint) for each in row.endpoints],
            "relays": [] if row is None else self._members(row.relays),
            "called_at": [] if row is None else [str(each) for each in self._gossip.endpoints_of(row)],
            "closest": self._members(each for each in done.contacts if each != member),
        } | _figures(done)

    async def nodes(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Whom this node knows of the table, the least distant first."""
        arguments.only("dht.nodes", args, ())
        now = self._mesh.parts.monotonic()
        nodes = [
            {
                **self._member(contact.member),
                "id": pack_id(contact.id).hex(),
                "bucket": contact.bucket,
                "heard_s": round(now - contact.heard, 1),
                "failures": contact.failures,
            }
            for contact in sorted(self._table.machine.nodes(), key=lambda contact: (contact.bucket, contact.id))
        ]
        figures = dict(self._table.machine.figures())
        own = pack_id(node_id(self._table.network, self._table.own)).hex()
        return {"id": own, "nodes": nodes, "stats": self._table.stats(), "figures": figures, "warning": self._table.warning}

    async def add(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Have a member asked, so that it comes into the table if it answers."""
        arguments.only("dht.add", args, ("member",))
        member = arguments.member_of("dht.add", args, self._mesh)
        if identity_text(member) not in self._mesh.members() or member == self._table.own:
            raise BadArguments(f"dht.add: {self._name(member)} is no other member", hint="see: appliance network members")
        self._table.add(member)
        return self._member(member)

    async def remove(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Have a member in the table no more, until it answers again."""
        arguments.only("dht.remove", args, ("member",))
        member = arguments.member_of("dht.remove", args, self._mesh)
        there = any(contact.member == member for contact in self._table.machine.nodes())
        if not there:
            raise NothingFound(f"{self._name(member)} is not in this node's table", hint="who is: appliance dht nodes")
        self._table.remove(member)
        return self._member(member)

    # ---- how things are told ----

    @staticmethod
    def _seconds(op: str, args: Mapping[str, Any]) -> float:
        return arguments.seconds_of(op, args, DAY, LEAST_SECONDS, MOST_SECONDS)

    @staticmethod
    def _kept(key: bytes, done: Finished) -> dict[str, Any]:
        if not done.stored_at:
            raise NothingKept(
                f"no member keeps the record under {_text(key)!r}", hint="each keeps as much as it may of one writer; try again"
            )
        return {"key": _text(key), "stored_at": done.stored_at} | _figures(done)

    def _record(self, record: Record) -> dict[str, Any]:
        return {
            **arguments.shown(value_of(record)),
            "by": self._member(record.member),
            "sequence": str(record.sequence),
            "written": clock.utc_text(record.written),
            "expires": clock.utc_text(record.expires),
        }

    def _members(self, members: Iterable[Digest]) -> list[dict[str, str]]:
        return [self._member(member) for member in members]

    def _member(self, member: Digest) -> dict[str, str]:
        return {"name": self._name(member), "identity": identity_text(member)}

    def _name(self, member: Digest) -> str:
        """Its identity if it has no certificate."""
        identity = identity_text(member)
        certificate = self._mesh.members().get(identity)
        return identity if certificate is None else certificate.name


def _figures(done: Finished) -> dict[str, Any]:
    return {"hops": done.hops, "seconds": round(done.seconds, 4)}


def _text(key: bytes) -> str:
    return key.decode(errors="replace")
