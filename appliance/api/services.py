"""What the core gives to everything it opens for a plugin. Each family's services have this, and more of their own."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Protocol

from appliance.api.storage import Storage


class Services(Protocol):
    """Calls are made on the event loop of the control process. Everything ends when what was opened is closed."""

    @property
    def section(self) -> Any:
        """The plugin's own section of the profile that is in force now: an instance of the model of its `ProfileSection`. None if
        the profile does not have it, or if the plugin registered none."""

    @property
    def shared(self) -> dict[str, Any]:
        """What the parts of this plugin on this node share, by names that they choose: a router puts something in, an API route
        finds it. Empty when the node starts, and gone when it ends."""

    @property
    def storage(self) -> Storage:
        """What the plugin keeps on this host, over reboots too."""

    def report(self, problem: str) -> None:
        """Tell the admin in a sentence about a problem. It is logged now and then, and `appliance plugins` and `appliance status`
        show it until "" says that it is over."""

    def spawn(self, work: Awaitable[None], name: str) -> None:
        """Run a task beside. It is cancelled when what was opened is closed; if it fails, the plugin is named."""

    async def sleep(self, seconds: float) -> None:
        """Wait on the daemon's clock (virtual in tests)."""

    def jitter(self) -> float:
        """A random number in [0, 1), to spread what many nodes would do at the same moment."""
