"""Who may do what on the control socket, asked so that nobody's answer keeps the node waiting.

Root, the daemon's own user and members of the profile's control.group may everything; users of the API server may what their
roles say, and what the API server says of them is not more than that. A plugin's deny wins over that, and a plugin's allow lets
others in too. Each plugin is asked in a thread and has a second: one that is late, fails, or is still at
earlier questions has denied it, to everybody but root and the daemon's user. A verdict holds for two seconds.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from appliance.api.management import Principal, Verdict
from appliance.control.callers import is_member
from appliance.foundation import clock
from appliance.foundation.aside import Asides, Busy
from appliance.foundation.patience import TookTooLong

SECONDS: Final = 1.0
"""How long a plugin, or the system's database of groups, may think about one question."""
HOLDS: Final = 2.0
"""Seconds for which a verdict is taken again: a program that asks ten times a second costs a plugin one question."""
MOST_KEPT: Final = 1024
"""Verdicts that are remembered."""
AT_A_TIME: Final = 2
"""Threads of one plugin, and of the group's database, for one user: one for whom these hang takes none of another's."""
ITS_OWN: Final = frozenset({"audit.add", "api.serve"})
"""What none of its users may, whatever a plugin says."""
OF_THE_API_SERVER: Final = ITS_OWN | {"node.read", "knowledge.read"}
"""What the API server may for itself, asking for nobody: it serves, and has servers of plugins that members find."""
NEVER_REFUSED: Final = frozenset({"status", "health", "confirm", "rollback", "stop"})
"""Root may do these whatever plugins say. Otherwise a plugin could keep the host from being brought back while the node runs."""

Opinion = Callable[[Principal, str, str], Verdict | None]
"""What a plugin says to (principal, permission, target). Called in a thread; may raise, may hang."""
Told = Callable[[str, Exception | None], None]
"""(plugin, what went wrong with its opinion; None: it gave one)."""


class _Key(NamedTuple):
    """What a verdict holds for. Another process of the same user gets the same verdict."""

    kind: str
    name: str
    uid: int | None
    gid: int | None
    roles: tuple[str, ...]
    permission: str
    target: str


Permits = Callable[[tuple[str, ...], str], bool]
"""Do these roles of users of the API server bring that permission?"""


def no_roles(_roles: tuple[str, ...], _permission: str) -> bool:
    """For a node without an API server."""
    return False


class Authority:
    """`group()` is the profile's control.group, `opinions` are the plugins'.

    `counted`: questions "asked" and "kept" (answered from memory), and opinions that were "late", "failed" or "busy".
    """

    def __init__(
        self,
        group: Callable[[], str | None],
        opinions: Mapping[str, Opinion],
        told: Told,
        now: Callable[[], float] = clock.monotonic,
        seconds: float = SECONDS,
    ) -> None:
        self._permits: Permits = no_roles
        self._group = group
        self._opinions = opinions
        self._told = told
        self._now = now
        self._seconds = seconds
        self._threads = {plugin: Asides(f"authorize {plugin}", AT_A_TIME) for plugin in opinions}
        self._groups = Asides("groups", AT_A_TIME)
        self._kept: dict[_Key, tuple[float, bool]] = {}
        self._asked: dict[_Key, asyncio.Task[bool]] = {}
        self.counted: Counter[str] = Counter()

    async def allows(self, principal: Principal, permission: str, target: str) -> bool:
        """May `principal` do this? Answers within `seconds`, whatever plugins do."""
        owner = is_owner(principal)
        if owner and target in NEVER_REFUSED:
            return True
        if owner and not self._opinions:
            return True
        if principal.kind == "api-server":
            return permission in OF_THE_API_SERVER
        if principal.kind == "api" and permission in ITS_OWN:
            return False
        if principal.kind == "api" and not self._opinions:
            return self._permits(principal.roles, permission)
        key = _Key(principal.kind, principal.name, principal.uid, principal.gid, principal.roles, permission, target)
        kept = self._kept.get(key)
        if kept is not None and kept[0] > self._now():
            self.counted["kept"] += 1
            return kept[1]
        asked = self._asked.get(key)
        if asked is None:  # whoever asks the same meanwhile gets the same answer
            asked = self._asked[key] = asyncio.get_running_loop().create_task(self._judge(key, principal), name="authorize")
            asked.add_done_callback(lambda _task: self._asked.pop(key, None))
        return await asyncio.shield(asked)

    def use(self, opinions: Mapping[str, Opinion]) -> None:
        """Other plugins have a say from now on."""
        self._opinions = opinions
        self._threads = {plugin: self._threads.get(plugin) or Asides(f"authorize {plugin}", AT_A_TIME) for plugin in opinions}
        self.forget()

    def use_roles(self, permits: Permits) -> None:
        """What roles of the API server's users bring is this from now on."""
        self._permits = permits
        self.forget()

    def forget(self) -> None:
        """The profile changed: ask anew."""
        self._kept.clear()

    async def _judge(self, key: _Key, principal: Principal) -> bool:
        self.counted["asked"] += 1
        owner = is_owner(principal)
        group = self._group() if principal.kind == "local" and not owner else None
        *verdicts, member = await asyncio.gather(
            *(self._opinion(plugin, principal, key, owner=owner) for plugin in self._opinions), self._in(principal, group)
        )
        known = member is True or (principal.kind == "api" and self._permits(principal.roles, key.permission))
        allowed = Verdict.DENY not in verdicts and (Verdict.ALLOW in verdicts or owner or known)
        self._keep(key, allowed=allowed)
        return allowed

    async def _opinion(self, plugin: str, principal: Principal, key: _Key, *, owner: bool) -> Verdict | None:
        try:
            verdict = await self._threads[plugin].run(
                _whose(principal), lambda: self._opinions[plugin](principal, key.permission, key.target), self._seconds
            )
        except Exception as error:  # noqa: BLE001  whatever it is, it is the plugin's
            self.counted["late" if isinstance(error, TookTooLong) else "busy" if isinstance(error, Busy) else "failed"] += 1
            self._told(plugin, error)
            return None if owner else Verdict.DENY
        self._told(plugin, None)
        return verdict

    async def _in(self, principal: Principal, group: str | None) -> bool:
        """Is the caller in the group? Asked in a thread: the group's database may be a server that is slow."""
        if group is None:
            return False
        try:
            return await self._groups.run(_whose(principal), lambda: is_member(principal, group), self._seconds)
        except (TookTooLong, Busy):
            self.counted["late"] += 1
            return False

    def _keep(self, key: _Key, *, allowed: bool) -> None:
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[key] = self._now() + HOLDS, allowed


def _whose(principal: Principal) -> int | str:
    """Whose threads a question takes: users of the API server have names only."""
    return principal.name if principal.uid is None else principal.uid


def is_owner(principal: Principal) -> bool:
    """Root, or the daemon's own user?"""
    return principal.kind == "local" and principal.uid in {0, os.geteuid()}
