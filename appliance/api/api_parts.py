"""What plugins add to the API server: its store, a cache, and event exports, log-ins, gateways and servers beside what it has.

All are opened in the API server's process, which has no privileges, when the profile names them below `management`. The daemon
imports the plugin too, for the settings; so import no library but inside `open`, or name it in the kind's `imports`.
"""

from __future__ import annotations

from typing import Protocol

from appliance.api.services import Services


class ApiServices(Services, Protocol):
    """What the core gives to what it opens in the API server. Calls are made on that process's event loop.

    `section` is None there: what is to be set stands in the settings of the kind.
    """

    @property
    def node(self) -> str:
        """The name of the node, as its profile has it."""

    @property
    def identity(self) -> str:
        """The fingerprint of the node's public identity."""

    def wall(self) -> float:
        """Unix seconds now, for what is kept with a date. What has to be certain that time has passed goes by
        `api.slowest_clock`."""

    async def secret(self, reference: str) -> bytes:
        """What is in the file of a reference such as "file:/etc/appliance/database-password", without white space around it. The
        reference has to stand in the settings of the profile: the daemon reads the file, which may be root's alone. Raises
        ApplianceError with a hint for the admin."""
