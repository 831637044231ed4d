"""News for all members of a network: what one program publishes in a topic, all programs hear that read it.

python examples/topics.py TOPIC     on hosts with nodes of one network: what you type goes to all who read the topic
python examples/topics.py trial     here: left publishes, right reads
"""

from __future__ import annotations

import asyncio
import sys

from trial import trial

from appliance.sdk import Client, SDKError
from appliance.sdk.topic import Topic


async def heard(topic: Topic) -> None:
    """Print what comes, this program's own messages too."""
    async for message in topic:
        print(f"{message.peer}: {message.data.decode(errors='replace')}")


async def read_and_publish(name: str) -> None:
    """Until the end of standard input."""
    async with Client() as client, client.topic(name) as topic:
        reading = asyncio.create_task(heard(topic))
        while line := await asyncio.to_thread(sys.stdin.readline):
            await topic.publish(line.rstrip().encode())
        reading.cancel()


async def news(left: str, right: str) -> None:
    """Right reads two messages of left."""
    async with Client(left) as author, Client(right) as reader, reader.topic("news") as topic:
        await subscribed(author)
        for text in (b"the first", b"the second"):
            await author.topic("news").publish(text)
            message = await topic.receive()
            print(f"right reads: {message.peer}: {message.data.decode()}")


async def subscribed(client: Client) -> None:
    """A message is for those who are subscribed already: wait until this node has heard of one."""
    async with client.topic("news"):
        while not any(topic["members"] for topic in await client.ask("topics")):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def main() -> None:
    """In a topic of this host's network, or as a trial."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if sys.argv[1] != "trial":
        return await read_and_publish(sys.argv[1])
    async with trial() as (left, right):
        await news(left, right)
    return None


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except SDKError as error:
        sys.exit(error.text())
