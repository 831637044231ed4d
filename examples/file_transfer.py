"""Send files and folders to a peer: what is lost on the way is sent again, and nothing twice.

python examples/file_transfer.py send PEER PATH…    on a host with a node; the same as `appliance send PATH… PEER`
python examples/file_transfer.py receive FOLDER     on the other, until Ctrl-C
python examples/file_transfer.py trial              here: right sends a folder to left
"""

from __future__ import annotations

import asyncio
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from trial import trial

from appliance.files.delivery import Delivery
from appliance.files.inbox import Inbox
from appliance.files.source import Source
from appliance.sdk import Client, Connection, SDKError


async def send(peer: str, paths: list[Path], address: str | None = None) -> None:
    """Until all is there; a lost stream is made again."""
    source = Source(paths)
    source.look()
    async with Client(address) as client:

        async def dial() -> socket.socket:
            return (await client.connect(peer, "files", deadline=30)).detach()

        sent = await Delivery(source, dial).run()
    print(f"{peer} has {sent.files} files, {sent.bytes} bytes")


async def receive(folder: Path, address: str | None = None, begun: Callable[[], None] | None = None) -> None:
    """Into a folder for each sender."""
    inbox = Inbox(folder)

    async def take(connection: Connection) -> None:
        peer, identity = connection.peer, connection.identity
        received = await asyncio.to_thread(inbox.take, connection.detach(), peer, identity, lambda _: None)
        print(f"{peer} has sent {received.files} files")

    try:
        async with Client(address) as client:
            await client.serve("files", take, begun=begun)
    finally:
        inbox.close()


async def main() -> None:
    """By this host's node, or as a trial."""
    match sys.argv[1:]:
        case ["send", peer, *paths] if paths:
            await send(peer, [Path(path) for path in paths])
        case ["receive", folder]:
            await receive(Path(folder))
        case ["trial"]:
            async with trial() as (left, right):
                with tempfile.TemporaryDirectory() as folder:
                    await between(Path(folder), left, right)
        case _:
            sys.exit(__doc__)


async def between(folder: Path, left: str, right: str) -> None:
    """Right sends a folder of two files to left."""
    there, here = folder / "there", folder / "here"
    here.mkdir()
    (here / "small").write_text("a few words")
    (here / "large").write_bytes(bytes(range(256)) * 40_000)
    served = asyncio.Event()
    receiving = asyncio.create_task(receive(there, left, served.set))
    await served.wait()
    await send("left", [here], right)
    [large] = there.rglob("large")
    print("the same bytes" if large.read_bytes() == (here / "large").read_bytes() else "other bytes")
    receiving.cancel()
    await asyncio.gather(receiving, return_exceptions=True)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except SDKError as error:
        sys.exit(error.text())
