"""For applications: streams to and from peers of the overlay, by asyncio. See docs/sdk.md.

from appliance.sdk import Client

async with Client() as client, await client.connect("laptop", "echo") as connection:
    await connection.write(b"hello")
    print(await connection.read())
"""

from appliance.sdk.client import Client, Listener
from appliance.sdk.connection import Connection
from appliance.sdk.datagrams import Datagrams
from appliance.sdk.errors import (
    AccessDenied,
    ConnectionLost,
    DeadlineExceeded,
    NodeGone,
    PeerUnreachable,
    SDKError,
    ServiceBusy,
    ServiceNotFound,
    ServiceTaken,
    UnknownPeer,
)

__all__ = [
    "AccessDenied",
    "Client",
    "Connection",
    "ConnectionLost",
    "Datagrams",
    "DeadlineExceeded",
    "Listener",
    "NodeGone",
    "PeerUnreachable",
    "SDKError",
    "ServiceBusy",
    "ServiceNotFound",
    "ServiceTaken",
    "UnknownPeer",
]
