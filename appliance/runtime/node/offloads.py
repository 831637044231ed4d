"""Links whose datagrams the kernel does not cut (UDP_SEGMENT): their drivers do it, at a multiple of the cost.

The kernel is asked again each minute, and when the host's routes or devices changed: a laptop may have left the network whose
device could not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from appliance.foundation.logging import get_logger, once_per

if TYPE_CHECKING:
    from appliance.runtime.links.table import Links
    from appliance.runtime.workers.pool import WorkerPool

log = get_logger("transports")

AGAIN: Final = 60.0
"""Seconds until the kernel is asked again; a refusal costs one record a second sending."""
SAID_EVERY: Final = 3600.0
"""Seconds between two log lines about the same refusal: it usually stays with the device."""


class Offloads:
    """What drivers say of the kernel's offload. `pool()` gives the workers of the moment."""

    def __init__(self, links: Links, pool: Callable[[], WorkerPool | None]) -> None:
        self._links = links
        self._pool = pool
        self._refused: dict[int, str] = {}
        self._timer: asyncio.TimerHandle | None = None

    def changed(self, link: int, problem: str) -> None:
        """A link's datagrams are not cut by the kernel, for `problem` (an errno's name); "": they are again."""
        if not problem:
            if self._refused.pop(link, None) is not None:
                log.info("the kernel cuts records into datagrams again", link=link)
            return
        self._refused[link] = problem
        self._wait()
        if times := once_per(SAID_EVERY, f"offload {problem}"):
            log.warning(
                "the kernel refuses to cut records into datagrams (UDP_SEGMENT): they are sent one by one, which is slower",
                reason=problem,
                times=times,
                hint="see `appliance doctor`: IPsec, or a device without checksum offload before Linux 6.11 (ethtool -k DEVICE)",
            )

    def of(self, link: int) -> str:
        """Why the kernel does not cut a link's datagrams; "" when it does, or was not asked."""
        return self._refused.get(link, "")

    def try_again(self) -> None:
        """Ask the kernel again for each link."""
        pool = self._pool()
        self._refused = {link: problem for link, problem in self._refused.items() if link in self._links}
        for link in self._refused:
            if pool is not None:
                pool.try_offload(link)

    def close(self) -> None:
        """Ask no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(AGAIN, self._due)

    def _due(self) -> None:
        self._timer = None
        self.try_again()
        if self._refused:
            self._wait()
