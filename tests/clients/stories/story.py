"""The story in Python: story.py CLIENT SCENE."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, sys.argv[1])
from appliance_client import Client, ConnectionFailed, Problem

SCENE = json.loads(Path(sys.argv[2]).read_text())


async def with_key(request: httpx.Request, proceed: Any) -> httpx.Response:
    if request.method == "POST":
        request.headers["Idempotency-Key"] = "python-1"
    return await proceed(request)


async def logged_in() -> str:
    async with Client(SCENE["url"]) as stranger:
        granted = await stranger.auth_login(name=SCENE["name"], password=SCENE["password"])
    return str(granted["access_token"])


async def story() -> dict[str, Any]:
    told: dict[str, Any] = {}
    token = await logged_in()
    async with Client(SCENE["url"], token, interceptors=[with_key]) as client:
        told["user"] = (await client.users_profile())["name"]
        told["node"] = (await client.status())["name"]
        told["users"] = [user["name"] async for user in client.users_list_all(limit=2)]
        try:
            await client.users_get(name="nobody")
        except Problem as problem:
            told["refused"] = [problem.status, problem.code, problem.hint != "", problem.request_id != ""]
        job = await client.templates_execute(template="health-check", parameters={"patience": 30})
        again = await client.templates_execute(template="health-check", parameters={"patience": 30})
        told["once"] = job["id"] == again["id"]
        told["events"] = [[event.id, event.event] async for event in client.templates_stream(executionId=job["id"])]
        told["state"] = (await client.templates_status(executionId=job["id"]))["state"]
    try:
        async with Client(SCENE["url"]) as stranger:
            await stranger.status()
    except Problem as problem:
        told["stranger"] = [problem.status, problem.code]
    async with Client(SCENE["cutting"], token) as cut:
        told["resumed"] = [[event.id, event.event] async for event in cut.templates_stream(executionId=job["id"])]
    async with Client(SCENE["busy"], token) as busy:
        told["busy"] = (await busy.status())["name"]
    try:
        async with Client(SCENE["gone"], retries=1) as gone:
            await gone.status()
    except ConnectionFailed:
        told["gone"] = True
    return told


print(json.dumps(asyncio.run(story())))
