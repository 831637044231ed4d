"""The audit log of a node whose profile wants one: the log, its heads and those of others, and what callers may ask of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.api.peer_protocol import PeerProtocolError
from appliance.control.conversation import Operation, Request
from appliance.foundation import entropy
from appliance.management.audit.entry import NODE, Entry, Outcome
from appliance.management.audit.keeping import NodeHeads, Taken
from appliance.runtime.audit import questions
from appliance.runtime.audit.heads import Heads, NoHead
from appliance.runtime.audit.kept_heads import KeptHeads
from appliance.runtime.audit.log import AuditLog
from appliance.runtime.audit.segment_writer import Keep, SegmentWriter
from appliance.runtime.audit.watching import Watching
from appliance.runtime.plugins.routes import BadArguments

if TYPE_CHECKING:
    from appliance.management.audit.head import SignedHead
    from appliance.runtime.audit.head_family import HeadFamily
    from appliance.runtime.audit.told import Told


class OpenAudit:
    """Also what the family of heads needs of its node (`head_family.Joint`)."""

    def __init__(self, told: Told, keep: Keep) -> None:
        self._told = told
        self.own = told.identity.fingerprint
        self.log = AuditLog(SegmentWriter(told.folder, self.own, keep, entropy.random_bytes))
        self.watching = Watching(self.log, told.ending)
        self.family: HeadFamily | None = None
        """How heads are given to peers, while that is spoken."""
        self._heads = Heads(self.log, told.folder, told.identity)
        self._others = KeptHeads(told.folder)
        self._additions = questions.Additions()

    async def open(self) -> None:
        """Take up what is there."""
        await self.log.open()
        await self._heads.open()
        await self._others.open()

    async def close(self) -> None:
        """All is on the disk when this returns, if that takes it."""
        try:
            await self._others.close()
            await self._heads.close()
        finally:
            await self.log.close()

    # ---- the control socket ----

    def operations(self) -> dict[str, Operation]:
        """What callers may ask of the log."""

        async def show(request: Request) -> Any:
            return await questions.show(self.log, self._told.folder, request.args)

        async def heads(request: Request) -> Any:
            return await self._show_heads(request.args.get("peer"))

        async def add(request: Request) -> Any:
            return await self._additions.add(self.log, request)

        return {
            "audit": Operation("audit.read", show),
            "audit_heads": Operation("audit.read", heads),
            "audit_add": Operation("audit.add", add, whole=True),
        }

    async def _show_heads(self, peer: object) -> dict[str, Any]:
        if peer is not None:
            if not isinstance(peer, str) or not self._told.identity_of(peer):
                raise BadArguments(f"audit_heads: there is no peer {str(peer)[:100]!r}")
            return {"heads": [head.document() for head in await self._ask(peer)]}
        own = await self._heads.newest()
        return {
            "heads": [] if own is None else [own.document()],
            "others": [head.document() for head in self._others.all()],
        }

    async def _ask(self, peer: str) -> list[SignedHead]:
        from appliance.management.audit.head import HeadInvalid

        try:
            return [] if self.family is None else list(await self.family.ask(peer))
        except (PeerProtocolError, HeadInvalid) as error:
            reason = type(error).__name__
            raise NoHead(f"{peer} gives no heads ({reason})", hint="is it connected, and does it keep an audit log?") from None

    # ---- peers ----

    def identity_of(self, peer: str) -> str:
        """A peer's fingerprint."""
        return self._told.identity_of(peer)

    async def newest(self) -> SignedHead | None:
        """The newest head of the own log; None: there is none now."""
        try:
            return await self._heads.newest()
        except NoHead:
            return None

    def kept(self, node: str) -> NodeHeads:
        """What is kept of that node."""
        return self._others.of(node)

    def take(self, peer: str, signed: SignedHead) -> Taken:
        """A head of that peer came. What should not be is recorded."""
        taken = self._others.take(signed)
        if taken in {Taken.CONTRADICTS, Taken.ANEW}:
            entry = Entry("peer.head", Outcome.FAILED, NODE, target=peer, reason=str(taken), more={"node": signed.node})
            self.log.note_repeating(entry)
        return taken
