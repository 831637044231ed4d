"""Access to a running node: keeps the kernel's sets as the peers are, judges streams, and tells what was denied.

table of peers, certificates ─▶ Directory ─▶ sets of the node's nftables table (rules: a plan wrote them)
                                    └──────▶ may_have(caller, service), before a stream is handed over
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from appliance.errors import ApplianceError
from appliance.foundation.gathering import Gathered
from appliance.foundation.logging import get_logger
from appliance.foundation.tasks import Tasks
from appliance.runtime.inside import HERE, Inside
from appliance.runtime.policy.given import Connections, GivenStreams, KernelConnections

if TYPE_CHECKING:
    from appliance.api.profile import Profile
    from appliance.members.certificate import Certificate
    from appliance.policy.judging import Judge
    from appliance.policy.subjects import Directory
    from appliance.runtime.peers.table import PeerTable
    from appliance.runtime.policy.denials import StreamDenials
    from appliance.runtime.streams.callers import Caller

log = get_logger("policy")

SOON: Final = 0.05
"""Seconds from a change of peers to the change of the kernel's sets: a thousand members that come at once are one change."""
DENIED: Final = "policy"
REST: Final = 0.5
"""Seconds between two changes of them: each costs a process."""
MOST_NOBODY: Final = 100
"""Words of the policy that mean nobody now; so many are told."""
AGAIN: Final = 5.0
"""Seconds after which the sets are written again if the kernel did not take them."""


class Access:
    """The policy of one node. `table` are the peers, `members()` the certificates that count by identity, `nft_table` the node's
    own nftables table, which is `inside`. `connections` has its streams; None: the kernel has them."""

    def __init__(
        self,
        table: PeerTable,
        members: Callable[[], Mapping[str, Certificate]],
        nft_table: str,
        inside: Inside = HERE,
        connections: Connections | None = None,
    ) -> None:
        self._inside = inside
        self._table = table
        self._members = members
        self._nft_table = nft_table
        self._profile: Profile | None = None
        self._judge: Judge | None = None
        self._directory: Directory | None = None
        self._refused: StreamDenials | None = None
        self._filled: dict[str, list[str]] | None = None
        self._settling = asyncio.Lock()
        self._given = GivenStreams(connections or KernelConnections(inside))
        self._again = self._resting = False
        self._soon = Gathered(self._settle_soon, SOON)
        self._tasks = Tasks()
        self.problem = ""

    @property
    def restricts(self) -> bool:
        """Is there a policy?"""
        return self._judge is not None

    async def use(self, profile: Profile) -> None:
        """The host is as `profile` says: its policy counts from now on."""
        if profile.policy is None:
            self._profile = self._judge = self._directory = self._filled = None
            self.problem = ""
            return
        from appliance.policy.judging import Judge
        from appliance.runtime.policy.denials import StreamDenials

        self._profile, self._judge = profile, Judge(profile)
        self._refused = self._refused or StreamDenials()
        self._filled = None
        await self._settle()

    async def close(self) -> None:
        """Change nothing any more."""
        self._soon.cancel()
        await self._tasks.close()

    def peers_changed(self) -> None:
        """A peer came, went or changed, or has another certificate."""
        self._directory = None
        if self._judge is not None:
            self._soon.soon()

    def lost(self) -> None:
        """The kernel's table was made anew: its sets may be empty."""
        self._filled = None
        self.peers_changed()

    # ---- the kernel's sets ----

    async def _settle(self) -> None:
        """Let everything be as the rules and the peers are now."""
        async with self._settling:
            if self._profile is not None:
                if self._inside.kernel:  # a user-space node has no firewall, and nothing but streams
                    await self._fill(self._profile)
                self._given.end_unless(self._allows)

    async def _fill(self, profile: Profile) -> None:
        """Let the kernel's sets hold the addresses of the peers. What stays in a set is never missing in between."""
        from appliance.linux import nftables
        from appliance.planning.access import elements_of

        wanted = elements_of(profile, self._known())
        if wanted == self._filled:
            return
        changed = {name: each for name, each in wanted.items() if self._filled is None or self._filled.get(name) != each}
        try:
            await self._inside.run(nftables.fill(self._nft_table, changed))
        except (ApplianceError, OSError) as error:
            self._filled = None
            self._say(error.message if isinstance(error, ApplianceError) else str(error))
            self._tasks.spawn(self._settle_later(), "fill the kernel's sets")
        else:
            self._filled = wanted
            self._say("")

    def _settle_soon(self) -> None:
        self._again = True
        if not self._resting:
            self._resting = True
            self._tasks.spawn(self._settle_and_rest(), "let everything be as the policy says")

    async def _settle_and_rest(self) -> None:
        try:
            while self._again:
                self._again = False
                await self._settle()
                await asyncio.sleep(REST)
        finally:
            self._resting = False

    async def _settle_later(self) -> None:
        await asyncio.sleep(AGAIN)
        await self._settle()

    def _say(self, problem: str) -> None:
        if problem and problem != self.problem:
            log.error("the kernel does not know who the peers are", reason=problem, consequence="some are denied what is allowed")
        self.problem = problem

    # ---- judging ----

    def may_have(self, caller: Caller, service: str) -> str:
        """May the caller of a stream have that service of this node? "" if so, else the reason, for a counter."""
        if self._refused is not None and not self._allows(caller, service):
            self._refused.note(caller.text, service)
            return DENIED
        self._given.note(caller, service)
        return ""

    def _allows(self, caller: Caller, service: str) -> bool:
        if self._judge is None or not caller.peer:  # a process of this host
            return True
        from appliance.api.access import What
        from appliance.policy.subjects import HERE as THIS_NODE

        who = self._known().subject(caller.address)
        return self._judge.judge(who, THIS_NODE, What(service), caller.address.version).allowed

    def _known(self) -> Directory:
        if self._directory is None:
            from appliance.policy.subjects import Directory
            from appliance.runtime.policy.parties import parties

            self._directory = Directory(parties(self._table, self._members()))
        return self._directory

    # ---- telling ----

    async def shown(self) -> dict[str, Any] | None:
        """For `status`; None without a policy."""
        if self._profile is None or self._profile.policy is None or self._refused is None:
            return None
        from appliance.linux import nftables
        from appliance.planning.access import words
        from appliance.runtime.policy.denials import packets

        table = None
        try:
            if self._inside.kernel:
                table = await self._inside.run(nftables.read(self._nft_table))
        except (ApplianceError, OSError) as error:
            log.debug("the counters of denied packets cannot be read", reason=str(error))
        denied = packets(table or [], self._known()) | {"streams": self._refused.shown(), "streams_ended": self._given.ended}
        nobody = [str(who) for who in words(self._profile) if not any(self._known().addresses(who, each) for each in (4, 6))]
        return {
            "rules": len(self._profile.policy.allow),
            "problem": self.problem or None,
            "nobody": nobody[:MOST_NOBODY],
            "denied": denied,
        }
