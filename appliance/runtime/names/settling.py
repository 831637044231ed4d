"""Waits until systemd-resolved asks the node. It was told to when the host was changed, and begins once the kernel has told it
that the overlay's device has its address and a carrier, which is some milliseconds later."""

from __future__ import annotations

import asyncio
from typing import Final

from appliance.foundation import clock
from appliance.foundation.logging import get_logger
from appliance.linux import resolved

log = get_logger("names")

MOST: Final = 3.0
"""Seconds: then the node is ready all the same."""
AGAIN: Final = 0.05


async def until_asked(link: str, server: str, most: float = MOST) -> bool:
    """Does it ask `server` over `link` now? False: it does not yet, after `most` seconds, or never will."""
    if resolved.tool() is None:
        return False
    until = clock.monotonic() + most
    while (left := until - clock.monotonic()) > 0:
        asked = await resolved.asks(link, server, left)
        if asked is not False:
            return bool(asked)
        await asyncio.sleep(AGAIN)
    log.warning("systemd-resolved does not ask the node yet", link=link, seconds=most)
    return False
