"""What scenarios beside other programs share: more of a profile, and a look at what is theirs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from tests.machines.bed import SESSION, Guest, expect

SERVED: Final = "http://127.0.0.1:8470"
MANAGEMENT: Final = 'management: {listen: ["127.0.0.1:8470"]}\n'
"""More of a profile: an API server."""
DROP_IN: Final = "/etc/appliance/profile.d/50-neighbours.yaml"
OURS: Final = (
    "{ nft list tables; ip rule; ip -6 rule; ip route show table all; ip -6 route show table all; } "
    "| grep -E 'llp0|appliance|proto 76' || true"
)


@asynccontextmanager
async def more(guest: Guest, text: str) -> AsyncIterator[None]:
    """Its profile with more in it, in force. The profile of before is in force at the end."""
    await guest.write(DROP_IN, text, 0o600)
    try:
        await guest.sh("systemctl reload appliance")
        yield
    finally:
        await guest.sh(f"rm -f {DROP_IN}; systemctl reload appliance || systemctl restart appliance", check=False)
    await guest.until(SESSION)


async def stops_and_starts(guest: Guest, theirs: str) -> None:
    """Stop its node, and start it: what the script `theirs` prints stays the same, and nothing of the node is left in between.
    Raises Wrong."""
    looks = [await guest.sh(theirs)]
    for deed in ("stop", "start"):
        await guest.sh(f"systemctl {deed} appliance")
        looks.append(await guest.sh(theirs))
        left = await guest.sh(OURS)
        expect(deed == "start" or not left, f"a stopped node left {left}")
    await guest.until(SESSION)
    lines = [set(look.splitlines()) for look in looks]
    expect(lines[0] == lines[1], f"a stop of the node changed what is not its own: {sorted(lines[0] ^ lines[1])}")
    expect(lines[1] == lines[2], f"a start of the node changed what is not its own: {sorted(lines[1] ^ lines[2])}")
