"""For applications: streams to and from peers of the overlay, by asyncio. See docs/sdk.md.

from appliance.sdk import Client

async with Client() as client, await client.connect("laptop", "echo") as connection:
    await connection.write(b"hello")
    print(await connection.read())
"""

from appliance.sdk.client import Client
from appliance.sdk.config import ClientConfig
from appliance.sdk.connection import Connection
from appliance.sdk.datagrams import Datagrams
from appliance.sdk.errors import (
    AccessDenied,
    BadAnswer,
    CircuitOpen,
    ConfigInvalid,
    ConnectionLost,
    DeadlineExceeded,
    NodeGone,
    NoInstance,
    PeerUnreachable,
    PoolBusy,
    PoolClosed,
    SDKError,
    ServiceBusy,
    ServiceNotFound,
    ServiceTaken,
    TooManyCalls,
    UnknownPeer,
)
from appliance.sdk.interceptors import Call, Interceptor, Proceed
from appliance.sdk.listener import Listener
from appliance.sdk.tracing import continued

__all__ = [
    "AccessDenied",
    "BadAnswer",
    "Call",
    "CircuitOpen",
    "Client",
    "ClientConfig",
    "ConfigInvalid",
    "Connection",
    "ConnectionLost",
    "Datagrams",
    "DeadlineExceeded",
    "Interceptor",
    "Listener",
    "NoInstance",
    "NodeGone",
    "PeerUnreachable",
    "PoolBusy",
    "PoolClosed",
    "Proceed",
    "SDKError",
    "ServiceBusy",
    "ServiceNotFound",
    "ServiceTaken",
    "TooManyCalls",
    "UnknownPeer",
    "continued",
]
