"""The names of a node on a host. What it takes is loaded when a profile wants it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from appliance.planning.naming import naming

if TYPE_CHECKING:
    from appliance.api.profile import Profile
    from appliance.runtime.names.answering import Answering
    from appliance.runtime.peers.table import PeerTable


class Names:
    """Answers as long as the profile has `names`. `called()` is what this node is called; `asked`: can anybody ask it?"""

    def __init__(self, table: PeerTable, called: Callable[[], str], *, asked: bool = True) -> None:
        self._asked = asked
        self._table = table
        self._called = called
        self._answering: Answering | None = None

    @property
    def answers(self) -> bool:
        """Is there something to answer?"""
        return self._answering is not None

    @property
    def problem(self) -> str:
        """What keeps it from answering somebody; "" if nothing does."""
        return "" if self._answering is None else self._answering.problem

    async def open(self, profile: Profile) -> None:
        """Answer what `profile` wants, besides what is answered already. To be called before the host is told to ask here. Raises
        HostError if the port cannot be had."""
        if self._answering is None and self._asked and naming(profile) is not None:
            from appliance.runtime.names.answering import Answering

            self._answering = Answering(self._table, self._called, profile)
        if self._answering is not None:
            await self._answering.open(profile)

    async def use(self, profile: Profile) -> None:
        """The host is as `profile` says: answer that and nothing else."""
        if self._answering is not None:
            await self._answering.use(profile)
            if naming(profile) is None:
                self._answering = None

    async def settle(self, profile: Profile) -> None:
        """Wait until this host's programs are led here, so that the first look-up after the start finds peers: systemd-resolved
        needs a moment. Where it is not told to ask here, or does not answer, nobody waits."""
        wanted = naming(profile)
        if self._answering is not None and wanted is not None and wanted.host in {"auto", "resolved"}:
            from appliance.runtime.names.settling import until_asked

            await until_asked(profile.network.interface, str(wanted.address))

    async def close(self) -> None:
        """Answer nobody any more."""
        if self._answering is not None:
            await self._answering.close()

    def shown(self) -> dict[str, Any] | None:
        """For `status`; None where no names are answered."""
        return None if self._answering is None else self._answering.shown()
