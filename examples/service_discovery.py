"""Offer a service with a health check, find it without knowing who serves it, and see it go.

python examples/service_discovery.py SERVICE    on a host with a node: who serves it, whenever that changes
python examples/service_discovery.py trial      here: left offers `clock`, right finds and asks it
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import aclosing

from trial import trial

from appliance.sdk import Client, Connection, SDKError


async def watch(name: str) -> None:
    """Until Ctrl-C."""
    async with Client() as client, aclosing(client.service(name).watch()) as changes:
        async for instances in changes:
            print(", ".join(f"{each.node} ({'healthy' if each.healthy else 'failing'})" for each in instances) or "nobody")


async def tell(connection: Connection) -> None:
    """The service: one line."""
    await connection.write(b"it is %d\n" % time.time())


async def ask(connection: Connection) -> str:
    """What a caller makes of it. May be asked of another instance when this one fails."""
    return (await connection.read()).decode().strip()


async def offer(address: str) -> None:
    """Serve, and tell the network each second whether the clock goes."""
    async with Client(address) as client:
        clock = client.service("clock")
        await client.serve("clock", tell, listen=lambda: clock.register(health=lambda: time.time() > 0))


async def main() -> None:
    """Of this host's network, or as a trial."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if sys.argv[1] != "trial":
        return await watch(sys.argv[1])
    async with trial() as (left, right), Client(right) as client:
        clock = client.service("clock")
        async with aclosing(clock.watch()) as changes:
            offering = asyncio.create_task(offer(left))
            async for instances in changes:
                print("clock:", ", ".join(each.node for each in instances) or "nobody")
                if instances:
                    print(f"{instances[0].node} says: {await clock.call(ask, deadline=30)}")
                    offering.cancel()
                elif offering.done():
                    break
    return None


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except SDKError as error:
        sys.exit(error.text())
