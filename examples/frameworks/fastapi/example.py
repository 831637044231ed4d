"""A small application at a node: whoever logged in there may use it.

API_SERVER=http://127.0.0.1:8470 uvicorn example:app
"""

from __future__ import annotations

import os
from typing import Annotated

from appliance_fastapi import Appliance, Caller, CallerIs, NodeIs, allowed
from fastapi import FastAPI

from appliance.sdk import Client

# The control socket of a node that is not the host's only one.
CONTROL = os.environ.get("CONTROL_SOCKET")
appliance = Appliance(os.environ.get("API_SERVER", "http://127.0.0.1:8470"), node=lambda: Client(CONTROL))
app = FastAPI(lifespan=appliance.lifespan)
appliance.install(app)
Operator = Annotated[Caller, allowed("operator", "admin", scope="stream.open")]


@app.get("/me")
async def me(caller: CallerIs) -> dict[str, object]:
    """Anybody who logged in."""
    return {"user": caller.user, "roles": caller.roles}


@app.get("/peers")
async def peers(_caller: CallerIs, node: NodeIs) -> list[dict[str, object]]:
    """Whom this node knows."""
    return [{"name": peer.name, "connected": peer.connected} for peer in await node.peers()]


@app.post("/peers/{name}/echo")
async def echo(name: str, text: str, _caller: Operator, node: NodeIs) -> str:
    """What the service `echo` of a peer says to a text. The peer sees the trace of this request."""
    async with await node.connect(name, "echo") as connection:
        said = text.encode()
        await connection.write(said)
        return (await connection.readexactly(len(said))).decode()
