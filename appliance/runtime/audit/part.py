"""The audit log as a part of a node on a host: begins and ends with the profile's section, and hears what befalls the node.

Made for every node, and nothing else of this room is loaded until a profile wants a log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from appliance import __version__
from appliance.api.profile_audit import Audit

if TYPE_CHECKING:
    from appliance.api.management import Principal
    from appliance.api.profile import Profile
    from appliance.control.conversation import Allowed, Operation, Request
    from appliance.management.audit.entry import Entry
    from appliance.protocol.identity import Identity
    from appliance.runtime.audit.heads import Heads
    from appliance.runtime.audit.log import AuditLog
    from appliance.runtime.audit.questions import Additions
    from appliance.runtime.audit.segment_writer import Keep
    from appliance.runtime.audit.watching import Watching
    from appliance.runtime.members.mesh import Mesh
    from appliance.runtime.streams.callers import Caller

DAY: Final = 86_400.0
MayHave = Callable[["Caller", str], str]
"""May a caller have that service? "" or the reason why not."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the log needs of its node."""

    folder: Path
    """Where it is, in what outlives a reboot."""
    identity: Identity
    mesh: Callable[[], Mesh | None]
    ending: Callable[[], bool]
    """The node stops."""


class AuditPart:
    """`changed` is called when other operations are there than before."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._log: AuditLog | None = None
        self._heads: Heads | None = None
        self._watching: Watching | None = None
        self._additions: Additions | None = None
        self._profile: Profile | None = None
        self._members: Mapping[str, str] | None = None
        self.changed: Callable[[], None] = lambda: None

    # ---- life ----

    async def use(self, profile: Profile) -> None:
        """The profile is this from now on. Never raises for what is wrong with the log: `problems` says it."""
        audit = profile.audit or (None if profile.management is None else Audit())
        if audit is None:
            if self._log is not None:
                self._note("log.ended")
                await self.close()
                self.changed()
            return
        from appliance.runtime.audit.segment_writer import Keep

        keep, begins = Keep(audit.keep_bytes, audit.keep_days * DAY), self._log is None
        if begins:
            await self._open(keep)
        assert self._log is not None
        self._log.writer.keep = keep
        if profile != self._profile or begins:
            self._note("node.started" if begins else "profile.changed", await asyncio.to_thread(_digest, profile))
        self._profile = profile
        if begins:
            self.changed()

    async def close(self) -> None:
        """Write what is noted, and end."""
        log, heads, self._log, self._heads, self._watching = self._log, self._heads, None, None, None
        if log is not None and heads is not None:
            await heads.close()
            await log.close()

    async def stop(self) -> None:
        """The node has ended in order."""
        self._note("node.stopped")
        await self.close()

    async def _open(self, keep: Keep) -> None:
        from appliance.foundation import entropy
        from appliance.runtime.audit.heads import Heads
        from appliance.runtime.audit.log import AuditLog
        from appliance.runtime.audit.questions import Additions
        from appliance.runtime.audit.segment_writer import SegmentWriter
        from appliance.runtime.audit.watching import Watching

        told = self._told
        self._log = log = AuditLog(SegmentWriter(told.folder, told.identity.fingerprint, keep, entropy.random_bytes))
        self._watching, self._additions = Watching(log, told.ending), Additions()
        await log.open()
        self._heads = Heads(log, told.folder, told.identity)
        await self._heads.open()

    @property
    def problems(self) -> dict[str, str]:
        """For the node's health: nothing if no log is wanted."""
        return {} if self._log is None else {"audit": self._log.problem}

    # ---- the control socket ----

    def around(self, operations: dict[str, Operation]) -> dict[str, Operation]:
        """The same operations, recorded, and the log's own."""
        if self._watching is None:
            return operations
        return {name: self._watching.watched(name, each) for name, each in (operations | self._own()).items()}

    def judging(self, allowed: Allowed) -> Allowed:
        """The same judge; what it refuses is recorded while there is a log."""

        async def allows(principal: Principal, permission: str, target: str) -> bool:
            may = await allowed(principal, permission, target)
            if not may and self._watching is not None:
                self._watching.refused(principal, permission, target)
            return may

        return allows

    def _own(self) -> dict[str, Operation]:
        from appliance.control.conversation import Operation
        from appliance.runtime.audit import questions

        log, heads_, additions, folder = self._log, self._heads, self._additions, self._told.folder
        assert log is not None
        assert heads_ is not None
        assert additions is not None

        async def show(request: Request) -> Any:
            return await questions.show(log, folder, request.args)

        async def add(request: Request) -> Any:
            return await additions.add(log, request)

        async def heads(_request: Request) -> Any:
            own = await heads_.newest()
            return {"heads": [] if own is None else [own.document()]}

        return {
            "audit": Operation("audit.read", show),
            "audit_heads": Operation("audit.read", heads),
            "audit_add": Operation("audit.add", add, whole=True),
        }

    # ---- what befalls the node ----

    def judging_streams(self, may_have: MayHave) -> MayHave:
        """The same judge of streams; what it refuses is recorded while there is a log."""

        def judge(caller: Caller, service: str) -> str:
            reason = may_have(caller, service)
            if reason and self._log is not None:
                from appliance.management.audit.entry import Entry, Outcome, Who

                entry = Entry("stream.denied", Outcome.DENIED, Who("peer", caller.text), target=service, reason=reason)
                self._log.note_repeating(entry)
            return reason

        return judge

    def members_changed(self) -> None:
        """Members came or went: those that were removed are recorded."""
        mesh = self._told.mesh()
        if self._log is None or mesh is None:
            return
        there = {identity: certificate.name for identity, certificate in mesh.members().items()}
        before, self._members = self._members or {}, there
        for identity in before.keys() - there.keys():
            if mesh.trust.revoked(identity):
                self._log.note(_removed(mesh, identity, before[identity]))

    def _note(self, what: str, target: str = "") -> None:
        if self._log is not None:
            from appliance.management.audit.entry import Entry, Outcome

            self._log.note(Entry(what, Outcome.DONE, target=target, more={"version": __version__}))


def _removed(mesh: Mesh, identity: str, name: str) -> Entry:
    """A member that was removed, and by whom."""
    from appliance.management.audit.entry import NODE, Entry, Outcome, Who
    from appliance.members.revocation import Revocation

    by = {each.issuer for each in mesh.trust.statements() if isinstance(each, Revocation) and identity in each.subjects}
    told_by = Who("issuer", min(by)) if by else None
    return Entry("member.removed", Outcome.DONE, NODE, told_by, target=name, more={"identity": identity})


def _digest(profile: Profile) -> str:
    """The hash of what a profile says; secrets are not in it, so none can be guessed by it."""
    import json

    from appliance.protocol.digests import sha256

    text = json.dumps(profile.model_dump(mode="json", by_alias=True), sort_keys=True)
    return f"sha256:{sha256(text.encode()).hex()}"
