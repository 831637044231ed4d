"""Serve `echo` to all peers: what they send comes back.

python examples/echo_server.py          on a host with a node, until Ctrl-C
python examples/echo_server.py trial    here, with two nodes of its own: right calls left
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from trial import trial

from appliance.sdk import Client, Connection, SDKError


async def echo(connection: Connection) -> None:
    """Until the caller has closed its direction."""
    print(f"a stream from {connection.peer}")
    while piece := await connection.read():
        await connection.write(piece)


async def serve(address: str | None = None, begun: Callable[[], None] = lambda: print("serving echo")) -> None:
    """Each caller in a task of its own; the service is back when the node was restarted."""
    async with Client(address) as client:
        await client.serve("echo", echo, begun=begun)


async def main() -> None:
    """On this host's node, or as a trial."""
    if sys.argv[1:] != ["trial"]:
        return await serve()
    async with trial() as (left, right):
        served = asyncio.Event()
        serving = asyncio.create_task(serve(left, served.set))
        await served.wait()
        async with Client(right) as client, await client.connect("left", "echo", deadline=30) as connection:
            await connection.write(b"hello")
            print(f"left says {await connection.readexactly(5)!r}")
        serving.cancel()
    return None


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except SDKError as error:
        sys.exit(error.text())
