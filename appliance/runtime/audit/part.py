"""The audit log as a part of a node on a host: begins and ends with the profile's section, and hears what befalls the node.

Made for every node, and nothing else of this room is loaded until a profile wants a log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from appliance import __version__
from appliance.api.peer_protocol import Limits, PeerProtocolKind, PeerProtocolServices
from appliance.api.profile_audit import Audit

if TYPE_CHECKING:
    from appliance.api.management import Principal
    from appliance.api.profile import Profile
    from appliance.control.conversation import Allowed, Operation
    from appliance.management.audit.entry import Entry
    from appliance.runtime.audit.head_family import HeadFamily
    from appliance.runtime.audit.opened import OpenAudit
    from appliance.runtime.audit.told import Told
    from appliance.runtime.members.mesh import Mesh
    from appliance.runtime.streams.callers import Caller

DAY: Final = 86_400.0
FAMILY: Final = "heads"
LIMITS: Final = Limits(messages=4.0, bytes=65_536.0, waiting=8, requests=2)
"""A head has 7 KB, and takes 0.3 ms to verify."""
MayHave = Callable[["Caller", str], str]
"""May a caller have that service? "" or the reason why not."""


class AuditPart:
    """`changed` is called when other operations are there than before. `spoken` are families of control messages that are to be
    spoken, with their settings: the part puts its own there, `kind`, and takes it away."""

    def __init__(self, told: Told, spoken: dict[str, Mapping[str, Any]]) -> None:
        self._told = told
        self._spoken = spoken
        self._opened: OpenAudit | None = None
        self._profile: Profile | None = None
        self._members: Mapping[str, str] = {}
        self.changed: Callable[[], None] = lambda: None
        self.kind = PeerProtocolKind(FAMILY, None, lambda _settings, services: self._speak(services), LIMITS)

    # ---- life ----

    async def use(self, profile: Profile) -> None:
        """The profile is this from now on. Never raises for what is wrong with the log: `problems` says it."""
        audit = profile.audit or (None if profile.management is None else Audit())
        before, self._profile = self._profile, profile
        if audit is None:
            if self._opened is not None:
                self._note("log.ended")
                await self._close()
                self.changed()
            return
        from appliance.runtime.audit.segment_writer import Keep

        keep = Keep(audit.keep_bytes, audit.keep_days * DAY)
        if self._opened is None:
            await self._open(keep)
            self._note("node.started", await asyncio.to_thread(_digest, profile))
            self.changed()
        else:
            self._opened.log.writer.keep = keep
            if profile != before:
                self._note("profile.changed", await asyncio.to_thread(_digest, profile))

    async def stop(self) -> None:
        """The node has ended in order."""
        self._note("node.stopped")
        await self._close()

    async def _open(self, keep: Any) -> None:
        from appliance.runtime.audit.opened import OpenAudit

        opened = OpenAudit(self._told, keep)
        await opened.open()
        self._opened = opened
        self._spoken[FAMILY] = {}

    async def _close(self) -> None:
        self._spoken.pop(FAMILY, None)
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.close()

    def _speak(self, services: PeerProtocolServices) -> HeadFamily:
        from appliance.runtime.audit.head_family import HeadFamily

        assert self._opened is not None
        self._opened.family = family = HeadFamily(self._opened, services)
        return family

    @property
    def problems(self) -> dict[str, str]:
        """For the node's health: nothing if no log is wanted."""
        return {} if self._opened is None else {"audit": self._opened.log.problem}

    @property
    def written(self) -> int:
        """Entries on the disk since the log was opened."""
        return 0 if self._opened is None else self._opened.log.counted["written"]

    # ---- the control socket ----

    def around(self, operations: dict[str, Operation]) -> dict[str, Operation]:
        """The same operations, recorded, and the log's own."""
        if self._opened is None:
            return operations
        watched = self._opened.watching.watched
        return {name: watched(name, each) for name, each in (operations | self._opened.operations()).items()}

    def judging(self, allowed: Allowed) -> Allowed:
        """The same judge; what it refuses is recorded while there is a log."""

        async def allows(principal: Principal, permission: str, target: str) -> bool:
            may = await allowed(principal, permission, target)
            if not may and self._opened is not None:
                self._opened.watching.refused(principal, permission, target)
            return may

        return allows

    # ---- what befalls the node ----

    def judging_streams(self, may_have: MayHave) -> MayHave:
        """The same judge of streams; what it refuses is recorded while there is a log."""

        def judge(caller: Caller, service: str) -> str:
            reason = may_have(caller, service)
            if reason and self._opened is not None:
                from appliance.management.audit.entry import Entry, Outcome, Who

                entry = Entry("stream.denied", Outcome.DENIED, Who("peer", caller.text), target=service, reason=reason)
                self._opened.log.note_repeating(entry)
            return reason

        return judge

    def members_changed(self) -> None:
        """Members came or went: those that were removed are recorded."""
        mesh = self._told.mesh()
        if self._opened is None or mesh is None:
            return
        there = {identity: certificate.name for identity, certificate in mesh.members().items()}
        before, self._members = self._members, there
        for identity in before.keys() - there.keys():
            if mesh.trust.revoked(identity):
                self._opened.log.note(_removed(mesh, identity, before[identity]))

    def _note(self, what: str, target: str = "") -> None:
        if self._opened is not None:
            from appliance.management.audit.entry import Entry, Outcome

            self._opened.log.note(Entry(what, Outcome.DONE, target=target, more={"version": __version__}))


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
