"""The API server of a hosted node, once its profile has the section. Nothing of it is loaded before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.foundation import places

if TYPE_CHECKING:
    from appliance.control.authority import Authority
    from appliance.control.conversation import Operation
    from appliance.runtime.in_force import InForce
    from appliance.runtime.management.part import Attend, ManagementPart
    from appliance.runtime.node_runtime import NodeRuntime


class Managing:
    """`begun(part)` is told when there is one for the first time."""

    def __init__(
        self,
        node: NodeRuntime,
        in_force: InForce,
        authority: Authority,
        state_dir: Path,
        begun: Callable[[ManagementPart], None],
    ) -> None:
        self._node = node
        self._in_force = in_force
        self._authority = authority
        self._state_dir = state_dir
        self._begun = begun
        self._part: ManagementPart | None = None

    async def use(self, attend: Attend) -> None:
        """Have an API server as the profile in force says, or none. `attend` answers it."""
        section = self._in_force.profile.management
        if self._part is None:
            if section is None:
                return
            self._part = self._made(attend)
            self._begun(self._part)
        await self._part.use(section)

    def shown(self) -> dict[str, Any] | None:
        """For `status`; None where there is none."""
        return None if self._part is None else self._part.shown()

    def problems(self) -> dict[str, str]:
        """What is wrong with it, for health; nothing where there is none."""
        return {} if self._part is None else self._part.problems()

    def around(self, operations: dict[str, Operation]) -> dict[str, Operation]:
        """The operations of the control socket, with its spans and those that the API server itself asks for."""
        return operations if self._part is None else self._part.spans.around(operations) | self._part.operations()

    def _made(self, attend: Attend) -> ManagementPart:
        from appliance.runtime.management.api_plugins import ApiPlugins
        from appliance.runtime.management.part import Joints, ManagementPart

        return ManagementPart(
            Joints(
                attend,
                places.api_dir(),
                places.api_path(self._state_dir),
                self._about,
                self._authority.use_roles,
                ApiPlugins(self._node.plugins, self._node.calls),
            )
        )

    def _about(self) -> dict[str, Any]:
        """What the API server is told of the node."""
        profile = self._in_force.profile
        pressure = profile.limits.pressure.model_dump(mode="json")
        return {"name": profile.name, "identity": self._node.identity.fingerprint, "pressure": pressure}
