"""What the core gives to everything it opens for a plugin. Each family's services have this, and more of their own."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Protocol

from appliance.api.storage import Storage


class Services(Protocol):
    """Calls are made on the control process's event loop. All of it ends when what was opened is closed."""

    @property
    def section(self) -> Any:
        """The plugin's own section of the profile that is in force now: an instance of the model that its `ProfileSection` has.
        None when the profile has none, or the plugin registered none."""

    @property
    def shared(self) -> dict[str, Any]:
        """What the parts of this plugin on this node share, by names of their choosing: a router puts something in, an API route
        finds it. Empty when the node starts, and gone with it."""

    @property
    def storage(self) -> Storage:
        """What the plugin keeps on this host, also over reboots."""

    def report(self, problem: str) -> None:
        """Tell the admin about trouble, in a sentence: it is logged now and then, and shown by `appliance plugins` and `appliance
        status` until "" says that it is over."""

    def spawn(self, work: Awaitable[None], name: str) -> None:
        """Run a task beside. It is cancelled when what was opened is closed; if it fails, the plugin is named."""

    async def sleep(self, seconds: float) -> None:
        """Wait on the daemon's clock (virtual in tests)."""

    def jitter(self) -> float:
        """A random number in [0, 1), to spread what many nodes would do at the same moment."""
