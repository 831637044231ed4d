"""Events, a question and a broadcast over one WebSocket. Needs websockets.

TOKEN=… python examples/api/websocket.py ws://127.0.0.1:8470/api/v1/ws
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from websockets.sync.client import ClientConnection, connect


def say(socket: ClientConnection, **message: Any) -> None:
    """One message."""
    socket.send(json.dumps(message))


def hear(socket: ClientConnection, *kinds: str) -> Any:
    """The next message of one of these types. Ends the program with the reason if something was refused."""
    while True:
        said = json.loads(socket.recv(60))
        if said["type"] == "problem":
            sys.exit(f"{said['problem']['detail']}\n{said['problem']['hint']}")
        if said["type"] in kinds:
            return said


def main(address: str) -> None:
    """Follow, ask, and tell."""
    who = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
    with connect(address, additional_headers=who, max_size=1 << 20) as socket:
        print("I am", hear(socket, "welcome")["user"])
        say(socket, type="subscribe", id=1, topics=["events"])
        hear(socket, "done")
        say(socket, type="ask", id=2, operation="status")
        print("node:", hear(socket, "answer")["result"]["state"])
        say(socket, type="broadcast", id=3, data={"text": "tea is ready"})
        event = hear(socket, "event")["event"]
        print("event", event["kind"], "by", event["data"]["by"], "with", event["data"]["data"]["text"])
        print("go on behind event", event["id"], "after a break")


if __name__ == "__main__":
    main(*sys.argv[1:])
