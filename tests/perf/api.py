#!/usr/bin/env python3
"""The API server beside the floor of its kind, FastAPI on uvicorn with an answer of the same size, in one run (root only).

usage: .venv/bin/python -m tests.perf.api [--rounds N] [--seconds S] [--json]

One node in a namespace. Contenders take turns: as many requests as can be over 8 connections, and 200 a second over 8. `read` is
GET /api/v1/status by a token, `fresh` GET /api/v1/node/profile, which the node is asked for each time, `write` PUT
/api/v1/users/profile, which is on the disk when it is answered. The floor needs FastAPI in the environment.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.netns.daemons import Host
from tests.netns.throwaway import Throwaway

CONNECTIONS = 8
STEADY = 200
"""Requests a second in the second part."""
PORT, FLOOR_PORT = 8470, 8471
PASSWORD = "correct horse battery"
FLOOR = f"""
import json, uvicorn
from fastapi import Depends, FastAPI, Header
from pydantic import BaseModel
class Status(BaseModel):
    name: str
    sessions: list[dict]
app = FastAPI()
ANSWER = {{"name": "x", "sessions": [{{"peer": "p" * 20, "bytes": number}} for number in range(50)]}}
async def known(authorization: str = Header()) -> str:
    return authorization
@app.get("/api/v1/status", response_model=Status)
async def status(who: str = Depends(known)):
    return ANSWER
uvicorn.run(app, port={FLOOR_PORT}, log_level="error", access_log=False, http="httptools", loop="asyncio")
"""
PROFILE = "management: {limits: {requests: 0}}"


class Load:
    """Sends requests over connections that stay, and notes how long each took, in seconds."""

    def __init__(self, port: int, request: bytes) -> None:
        self._port = port
        self._request = request
        self.took: list[float] = []
        self.failed = 0

    async def flat_out(self, seconds: float) -> float:
        """As many as can be. Returns requests a second."""
        began = time.perf_counter()
        end = began + seconds
        await asyncio.gather(*(self._worker(lambda: self._until(end)) for _ in range(CONNECTIONS)))
        return len(self.took) / (time.perf_counter() - began)

    async def steadily(self, seconds: float) -> None:
        """STEADY a second, at even times, whether the answers come or not."""
        began = time.perf_counter()
        slots = iter(range(int(STEADY * seconds)))

        async def next_one() -> bool:
            slot = next(slots, None)
            if slot is None:
                return False
            await asyncio.sleep(max(0.0, began + slot / STEADY - time.perf_counter()))
            return True

        await asyncio.gather(*(self._worker(next_one) for _ in range(CONNECTIONS)))

    async def _until(self, end: float) -> bool:
        return time.perf_counter() < end

    async def _worker(self, go_on: Callable[[], Awaitable[bool]]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        while await go_on():
            began = time.perf_counter()
            writer.write(self._request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.split(b":")[1]))
            self.took.append(time.perf_counter() - began)
            self.failed += not head.startswith(b"HTTP/1.1 2")
        writer.close()


def request(verb: str, path: str, token: str, body: Any = None) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{verb} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(content)}\r\n\r\n".encode() + content


def run(host: Host, rounds: int, seconds: float) -> dict[str, Any]:
    token = _prepared(host)
    contenders = {
        "floor": (FLOOR_PORT, request("GET", "/api/v1/status", token)),
        "read": (PORT, request("GET", "/api/v1/status", token)),
        "fresh": (PORT, request("GET", "/api/v1/node/profile", token)),
        "write": (PORT, request("PUT", "/api/v1/users/profile", token, {"display": "Alice"})),
    }
    found: dict[str, dict[str, list[float]]] = {name: {"rate": [], "p99_ms": [], "failed": []} for name in contenders}
    for _ in range(rounds):
        for name, (port, text) in contenders.items():
            rate, p99, failed = host.namespace.run(_measure, port, text, seconds)
            for key, value in (("rate", rate), ("p99_ms", p99), ("failed", failed)):
                found[name][key].append(value)
    medians = {name: {key: statistics.median(values) for key, values in each.items()} for name, each in found.items()}
    pid = host.status()["management"]["pid"]
    status = Path(f"/proc/{pid}/status").read_text()
    memory = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024
    return {"medians": medians, "memory_mb": round(memory, 1)}


def _measure(port: int, text: bytes, seconds: float) -> tuple[float, float, int]:
    flat, steady = Load(port, text), Load(port, text)
    rate = asyncio.run(flat.flat_out(seconds))
    asyncio.run(steady.steadily(seconds))
    p99 = statistics.quantiles(steady.took, n=100)[98] * 1000
    return rate, p99, flat.failed + steady.failed


def _prepared(host: Host) -> str:
    """The token of an admin."""
    password = Path(host.profile).with_name("password")
    password.write_text(PASSWORD)
    created = host.command("api", "users.create", "name=alice", f"password=@{password}", 'roles:=["admin"]', "--json")
    assert created.returncode == 0, created.stderr
    granted = host.command("api", "auth.login", "name=alice", f"password=@{password}", "--json")
    token: str = json.loads(granted.stdout)["access_token"]
    return token


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="appliance-") as name, Throwaway() as namespace:
        folder = Path(name)
        folder.chmod(0o755)
        namespace.sh("ip link set lo up")
        host = Host(namespace, folder, 1)
        host.write(Host(namespace, folder, 2), more=PROFILE)
        host.start()
        floor = subprocess.Popen([*host.entering, sys.executable, "-c", FLOOR])
        try:
            host.hear("the API server is ready")
            time.sleep(2.0)  # the floor has no word for it
            found = run(host, arguments.rounds, arguments.seconds)
        finally:
            floor.terminate()
            floor.wait()
            host.stop()
    if arguments.json:
        print(json.dumps(found))
        return
    floor_rate = found["medians"]["floor"]["rate"]
    print(f"{'':8}{'requests/s':>12}{'of floor':>10}{'p99 at 200/s':>14}{'failed':>8}")
    for contender, each in found["medians"].items():
        print(f"{contender:8}{each['rate']:12.0f}{each['rate'] / floor_rate:10.2f}{each['p99_ms']:11.1f} ms{each['failed']:8.0f}")
    print(f"API server: {found['memory_mb']} MB")


if __name__ == "__main__":
    main()
