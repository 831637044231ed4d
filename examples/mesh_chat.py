"""A chat among all members of a network, without a server: each has a stream to each.

python examples/mesh_chat.py ROOM     on hosts with nodes of one network: what you type goes to all in the room
python examples/mesh_chat.py trial    here: left and right greet each other
"""

from __future__ import annotations

import asyncio
import sys

from trial import trial

from appliance.sdk import Client, SDKError
from appliance.sdk.mesh import Mesh


async def heard(mesh: Mesh) -> None:
    """Print what the others say."""
    async for message in mesh:
        print(f"{message.peer}: {message.data.decode(errors='replace')}")


async def chat(room: str) -> None:
    """Until the end of standard input."""
    async with Client() as client, client.mesh(room) as mesh:
        listening = asyncio.create_task(heard(mesh))
        while line := await asyncio.to_thread(sys.stdin.readline):
            delivery = await mesh.broadcast(line.rstrip().encode())
            print(f"({len(delivery.sent)} there)")
        listening.cancel()


async def greet(name: str, address: str) -> None:
    """Join, wait for somebody, greet, hear one greeting."""
    async with Client(address) as client, client.mesh("hall") as mesh:
        async for presence in mesh.presence():
            if presence.here:
                break
        await mesh.broadcast(f"hello from {name}".encode())
        message = await mesh.receive()
        print(f"{name} hears: {message.data.decode()}")


async def main() -> None:
    """In a room of this host's network, or as a trial."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if sys.argv[1] != "trial":
        return await chat(sys.argv[1])
    async with trial() as (left, right):
        await asyncio.gather(greet("left", left), greet("right", right))
    return None


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except SDKError as error:
        sys.exit(error.text())
