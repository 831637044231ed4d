"""Open a stream to a service of a peer, say something, read the answer.

python examples/simple_connection.py PEER     on a host with a node; PEER runs `appliance serve echo`
python examples/simple_connection.py trial    here, with two nodes of its own
"""

from __future__ import annotations

import asyncio
import sys

from echo_server import serve
from trial import trial

from appliance.sdk import Client, SDKError


async def talk(peer: str, address: str | None = None) -> None:
    """What the peer's echo makes of a line."""
    async with Client(address) as client, await client.connect(peer, "echo", deadline=30) as connection:
        await connection.write(b"hello from the other side\n")
        await connection.close_write()
        said = b""
        while piece := await connection.read():
            said += piece
        metrics = connection.metrics()
        print(f"{connection.peer} says {said.decode().strip()!r}")
        print(f"{metrics.bytes_sent} bytes there, {metrics.bytes_received} back")


async def main() -> None:
    """With a peer of this host's node, or as a trial."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if sys.argv[1] != "trial":
        return await talk(sys.argv[1])
    async with trial() as (left, right):
        served = asyncio.Event()
        serving = asyncio.create_task(serve(left, served.set))
        await served.wait()
        await talk("left", right)
        serving.cancel()
    return None


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except SDKError as error:
        sys.exit(error.text())
