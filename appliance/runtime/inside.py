"""The network that a node changes: its TUN device is there, its addresses, and the sockets of what speaks over the overlay.

For a node of root's that is the network that its own packets to peers take too; for a rootless one it is a namespace of its own
(`runtime.rootless`), and what belongs into it has to be done there. A user-space node has none of the kernel's: its packets
end in this process (`runtime.userspace`).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol, TypeVar

Result = TypeVar("Result")


class Inside(Protocol):
    """Where the node's device is."""

    @property
    def apart(self) -> bool:
        """Is it another network than the one that packets to peers take?"""

    @property
    def kernel(self) -> bool:
        """Is it the kernel's, so that there is a device, and something to be changed and watched?"""

    def call(self, deed: Callable[..., Result], *arguments: Any) -> Result:
        """What `deed(*arguments)` returns or raises when it is done there. For what takes a moment: the caller waits."""

    async def run(self, deed: Coroutine[Any, Any, Result]) -> Result:
        """What the coroutine returns or raises when it runs there, which may take its time."""

    def enter(self) -> None:
        """For a process that was forked for work there: be there from now on. Raises OSError."""


class Here:
    """The network that this process is in."""

    apart = False
    kernel = True

    def call(self, deed: Callable[..., Result], *arguments: Any) -> Result:
        """As Inside.call."""
        return deed(*arguments)

    async def run(self, deed: Coroutine[Any, Any, Result]) -> Result:
        """As Inside.run."""
        return await deed

    def enter(self) -> None:
        """It is there already."""


class Nowhere(Here):
    """No network of the kernel's. What is asked there is asked of the host's."""

    apart = True
    kernel = False


HERE: Final = Here()
NOWHERE: Final = Nowhere()
