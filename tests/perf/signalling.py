#!/usr/bin/env python3
"""The signalling server of a node: idle connections, and messages beside npm's `peerjs` server in one run (root only).

usage: .venv/bin/python -m tests.perf.signalling [--connections N] [--idle S] [--rounds N] [--seconds S] [--json]

Idle connections are registered peers that answer pings, counted in memory (VmRSS) and CPU of the API server's process, which does
nothing else. Messages are offers of a kilobyte, between pairs of peers that take turns: each sends a batch when the last one has
arrived. peerjs comes from npm, into build/npm; without it ours is measured alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.netns.daemons import Host
from tests.netns.throwaway import Throwaway

ROOT = Path(__file__).parents[2]
PORT, PEERJS_PORT = 3001, 9000
PAIRS, BATCH = 8, 32
SDP = "x" * 1000
MASK = b"\1\2\3\4"
TICKS = os.sysconf("SC_CLK_TCK")
PROFILE = "management: {servers: {signalling: {connections: 16000, per_address: 16000, messages: 10000}}}"
PATHS = {"ours": "/p2p-signaling", "peerjs": "/peerjs?key=peerjs&id=%s&token=t"}
PORTS = {"ours": PORT, "peerjs": PEERJS_PORT}


def frame(text: str) -> bytes:
    """A masked text frame (RFC 6455, section 5.2)."""
    data = text.encode()
    size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2)
    return b"\x81" + size + MASK + bytes(byte ^ MASK[at % 4] for at, byte in enumerate(data))


class Peer(asyncio.Protocol):
    """Upgrades, answers pings, and counts what comes: all messages that it gets are of one size."""

    def __init__(self, path: str, first: bytes) -> None:
        self.ready = asyncio.get_running_loop().create_future()
        self.more = asyncio.Event()
        self.got = 0
        """Bytes since the first message."""
        self._path = path
        self._first = first
        self._upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        if not self._upgraded:
            assert data.startswith(b"HTTP/1.1 101"), data
            self._upgraded = True
            self.transport.write(self._first)
            data = data.partition(b"\r\n\r\n")[2]
        if data.endswith(b"\x89\0"):
            self.transport.write(b"\x8a\x80" + MASK)
            data = data[:-2]
        if data and not self.ready.done():
            self.ready.set_result(None)
        elif data:
            self.got += len(data)
            self.more.set()

    async def wait(self, size: int) -> None:
        """Until so many bytes have come."""
        while self.got < size:
            self.more.clear()
            await self.more.wait()
        self.got -= size


async def joined(contender: str, name: str) -> Peer:
    """A peer that the server knows."""
    path = PATHS[contender].replace("%s", name)
    first = frame(json.dumps({"type": "register", "id": name})) if contender == "ours" else b""
    loop = asyncio.get_running_loop()
    _, peer = await loop.create_connection(lambda: Peer(path, first), "127.0.0.1", PORTS[contender])
    await peer.ready
    return peer


def offer(contender: str, to: str) -> bytes:
    if contender == "ours":
        return frame(json.dumps({"type": "offer", "to": to, "sdp": SDP}))
    return frame(json.dumps({"type": "OFFER", "dst": to, "payload": {"sdp": SDP, "type": "offer"}}))


async def passed_on(contender: str, seconds: float) -> int:
    """Messages that arrived in so many seconds."""
    pairs = [(await joined(contender, f"a{n}"), await joined(contender, f"b{n}")) for n in range(PAIRS)]
    end = time.perf_counter() + seconds
    counts = await asyncio.gather(*(_pass_on(contender, n, *pair, end) for n, pair in enumerate(pairs)))
    for pair in pairs:
        for peer in pair:
            peer.transport.close()
    return sum(counts)


async def _pass_on(contender: str, number: int, one: Peer, other: Peer, end: float) -> int:
    text, count = offer(contender, f"b{number}"), 0
    one.transport.write(text)
    while other.got < len(SDP):
        other.more.clear()
        await other.more.wait()
    size, other.got = other.got, 0
    while time.perf_counter() < end:
        one.transport.write(text * BATCH)
        await other.wait(size * BATCH)
        count += BATCH
    return count


def cpu(pid: int) -> float:
    """Seconds of processor time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pid: int) -> int:
    """VmRSS in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) << 10


async def idle(pid: int, connections: int, seconds: float) -> dict[str, float]:
    """What as many registered peers cost that say nothing."""
    before = memory(pid)
    peers = []
    for number in range(0, connections, 100):
        peers += await asyncio.gather(*(joined("ours", f"idle-{each}") for each in range(number, min(number + 100, connections))))
    await asyncio.sleep(2)
    began, spent = time.perf_counter(), cpu(pid)
    await asyncio.sleep(seconds)
    share = (cpu(pid) - spent) / (time.perf_counter() - began)
    after = memory(pid)
    alive = sum(not peer.transport.is_closing() for peer in peers)
    for peer in peers:
        peer.transport.abort()
    return {"connections": alive, "memory_mb": after / 1e6, "added_mb": (after - before) / 1e6, "core": share}


def throughput(host: Host, pids: dict[str, int], rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """Medians of rounds in turns."""
    found: dict[str, dict[str, list[float]]] = {name: {"rate": [], "cpu_us": []} for name in pids}
    for _ in range(rounds):
        for name, pid in pids.items():
            spent = cpu(pid)
            count = host.namespace.run(passed_on, name, seconds)
            found[name]["rate"].append(count / seconds)
            found[name]["cpu_us"].append((cpu(pid) - spent) / count * 1e6)
    return {name: {key: statistics.median(values) for key, values in each.items()} for name, each in found.items()}


@contextmanager
def peerjs(host: Host) -> Iterator[int | None]:
    """Its process; None where npm has none."""
    folder = ROOT / "build/npm"
    program = folder / "node_modules/.bin/peerjs"
    if shutil.which("npm") and not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, "peer@1"], check=False)
    if not program.exists():
        yield None
        return
    command = [*host.entering, "node", str(program), "--port", str(PEERJS_PORT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        assert running.stdout is not None
        running.stdout.readline()
        yield running.pid
        running.terminate()


def measured(arguments: argparse.Namespace) -> dict[str, Any]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="appliance-") as name, Throwaway() as namespace:
        folder = Path(name)
        folder.chmod(0o755)
        host = Host(namespace, folder, 1)
        host.write(Host(namespace, folder, 2), plugins="server-signalling", more=PROFILE)
        host.start()
        try:
            host.hear("the API server is ready")
            pid = host.status()["management"]["pid"]
            with peerjs(host) as other:
                pids = {"ours": pid} | ({} if other is None else {"peerjs": other})
                messages = throughput(host, pids, arguments.rounds, arguments.seconds)
            return {"messages": messages, "idle": namespace.run(idle, pid, arguments.connections, arguments.idle)}
        finally:
            host.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--idle", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = measured(arguments)
    if arguments.json:
        print(json.dumps(found))
        return
    for name, each in found["messages"].items():
        print(f"{name:8}{each['rate']:10.0f} messages/s{each['cpu_us']:10.0f} us of CPU for one")
    at_rest = found["idle"]
    print(
        f"{at_rest['connections']} idle: {at_rest['memory_mb']:.0f} MB, {at_rest['added_mb']:.0f} of them for connections,",
        end=" ",
    )
    print(f"{at_rest['core']:.1%} of a core")


if __name__ == "__main__":
    main()
