"""A node that answers at a real control socket, from a thread, with the figures that a test says."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from appliance.control.admission import Admission
from appliance.control.conversation import Operation, Request
from appliance.control.server import ControlServer


def session(peer: str, **more: Any) -> dict[str, Any]:
    return {
        "peer": peer,
        "session_id": f"of-{peer}",
        "suite": "aes-256-gcm",
        "pq": True,
        "transport": "udp",
        "endpoint": "udp://192.0.2.1:8443",
        "rx_bytes": 0,
        "tx_bytes": 0,
        "rx_packets": 0,
        "tx_packets": 0,
        "rtt": 0.0125,
        "age": 65.0,
        "idle": 0.5,
        "epoch": 1,
        "datagram": 1400,
        "compression": "off",
    } | more


def peer(name: str, *, connected: bool = True, **more: Any) -> dict[str, Any]:
    there = {"endpoint": "udp://192.0.2.1:8443", "rtt_ms": 12.5, "path": "direct"} if connected else {"path": None}
    known = {"name": name, "identity": f"llp1-{name}", "origin": "profile", "connected": connected, "allowed": ["10.8.0.2/32"]}
    return known | {"last_error": ""} | there | more


class Node:
    """What it says. Each look finds the counters of its sessions `rx_step` bytes further."""

    def __init__(self, peers: Sequence[dict[str, Any]] = ()) -> None:
        self.peers = list(peers) or [peer("office"), peer("phone", connected=False, last_error="timed out")]
        self.sessions = [session("office")]
        self.problems: dict[str, str] = {}
        self.drops = {"no_session": 3}
        self.uptime = 100.0
        self.looks = 0
        self.rx_step = 1000

    def operations(self) -> dict[str, Operation]:
        async def health(_request: Request) -> Any:
            return {"ok": not self.problems, "ready": True, "problems": self.problems}

        async def metrics(_request: Request) -> Any:
            self.looks += 1
            self.uptime += 1
            for each in self.sessions:
                each["rx_bytes"] += self.rx_step
            return {
                "name": "gateway",
                "version": "0.1.0",
                "uptime": self.uptime,
                "sessions": [each for each in self.sessions if each["peer"] in {peer["name"] for peer in self.peers}],
                "drops": self.drops,
                "processes": [
                    {"name": "control", "pid": 7, "cpu": self.uptime / 10, "memory": 45_000_000, "descriptors": 23}
                    | {"most_descriptors": 1024, "waited": None}
                ],
                "loop": {"longest": 0.003, "late": 0},
                "disk": {"total": 10**10, "free": 5 * 10**9},
            }

        async def peers(_request: Request) -> Any:
            return self.peers

        return {name: Operation("node.read", each) for name, each in (("health", health), ("metrics", metrics), ("peers", peers))}


@contextmanager
def answering(path: Path, node: Node) -> Iterator[None]:
    """It listens at that path for as long as the context lasts."""
    loop, there, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as listener:
            path.unlink(missing_ok=True)
            listener.bind(str(path))
            listener.listen()
            serving = ControlServer(node.operations(), _all_may, Admission())
            serving.serve(listener)
            there.set()
            await stop.wait()
            await serving.close()
        path.unlink()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    there.wait()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


async def _all_may(*_asked: object) -> bool:
    return True
