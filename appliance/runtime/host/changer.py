"""Who changes the host for a node that runs: the machinery of `changes`, or nobody."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from appliance.errors import HostError
from appliance.runtime.host import changes

if TYPE_CHECKING:
    from appliance.api.profile import Profile
    from appliance.planning.contributions import Contributors
    from appliance.runtime.host.changes import Changed
    from appliance.runtime.inside import Inside


class Changer(Protocol):
    """Brings the host to what a profile says, and back."""

    async def refuse_impossible(
        self, profile: Profile, plugins: Contributors | None, *, confirm_within: float | None, admin: str | None
    ) -> None:
        """As `changes.refuse_impossible`."""

    async def plan(self, profile: Profile, plugins: Contributors | None) -> dict[str, Any]:
        """As `changes.plan`."""
        ...

    async def apply(
        self, profile: Profile, plugins: Contributors | None, *, confirm_within: float | None, admin: str | None
    ) -> Changed:
        """As `changes.apply`."""
        ...

    async def confirm(self) -> None:
        """Keep what awaits confirmation. Raises HostError when nothing does."""

    async def undo(self) -> int:
        """As `changes.undo`."""
        ...


class HostChanger:
    """Changes the network that is `inside`, and writes it down in `state_dir`."""

    def __init__(self, state_dir: Path, inside: Inside) -> None:
        self._state_dir = state_dir
        self._inside = inside

    async def refuse_impossible(
        self, profile: Profile, plugins: Contributors | None, *, confirm_within: float | None, admin: str | None
    ) -> None:
        """As Changer."""
        deed = changes.refuse_impossible(profile, self._state_dir, plugins, confirm_within=confirm_within, admin=admin)
        await self._inside.run(deed)

    async def plan(self, profile: Profile, plugins: Contributors | None) -> dict[str, Any]:
        """As Changer."""
        return await self._inside.run(changes.plan(profile, self._state_dir, plugins))

    async def apply(
        self, profile: Profile, plugins: Contributors | None, *, confirm_within: float | None, admin: str | None
    ) -> Changed:
        """As Changer."""
        deed = changes.apply(profile, self._state_dir, plugins, confirm_within=confirm_within, admin=admin)
        return await self._inside.run(deed)

    async def confirm(self) -> None:
        """As Changer."""
        from appliance.apply import engine

        await self._inside.run(engine.confirm(self._state_dir))

    async def undo(self) -> int:
        """As Changer."""
        return await self._inside.run(changes.undo(self._state_dir))


class NothingToChange:
    """For a node that has no network of the kernel's."""

    async def refuse_impossible(self, *_wanted: object, **_limits: object) -> None:
        """Anything is possible."""

    async def plan(self, *_wanted: object) -> dict[str, Any]:
        """As Changer."""
        return {"changes": 0, "steps": [], "revert": [], "warnings": [], "cuts_off": None}

    async def apply(self, *_wanted: object, **_limits: object) -> Changed:
        """It is so already."""
        return changes.Changed((), (), ())

    async def confirm(self) -> None:
        """As Changer."""
        raise HostError("nothing awaits confirmation")

    async def undo(self) -> int:
        """It is so already."""
        return 0
