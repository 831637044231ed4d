"""Watch a node: how it is, who its peers are and how far away, and what happens to it.

python examples/monitoring.py          on a host with a node, until Ctrl-C
python examples/monitoring.py trial    here: what `right` tells of itself and of `left`
"""

from __future__ import annotations

import asyncio
import sys

from trial import trial

from appliance.sdk import Client, SDKError


async def look(client: Client) -> None:
    """How it is now."""
    health = await client.health()
    print("health:", "good" if health.ok else ", ".join(f"{part}: {problem}" for part, problem in health.problems.items()))
    for peer in await client.peers():
        away = "" if peer.rtt_ms is None else f", {peer.rtt_ms:.1f} ms away"
        print(f"peer {peer.name}: {f'connected, {peer.path}{away}' if peer.connected else 'not connected'}")


async def follow(client: Client, most: int = 0) -> None:
    """What happens from now on; `most` events, or all."""
    async with client.following("events") as events:
        async for event in events:
            print("event:", event["event"], event.get("peer") or event.get("state") or "")
            most -= 1
            if not most:
                return


async def main() -> None:
    """Of this host's node, or as a trial."""
    if sys.argv[1:] == ["trial"]:
        async with trial() as (_left, right), Client(right) as client:
            await look(client)
            await follow(client, most=1)
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        async with Client() as client:
            await look(client)
            await follow(client)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except SDKError as error:
        sys.exit(error.text())
