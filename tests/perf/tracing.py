"""What traces cost the API: CPU time of a request with and without them, in one run (root only).

usage: .venv/bin/python -m tests.perf.tracing [--rounds N] [--seconds S] [--json]

A node in a namespace for each contender, which take turns: as many requests as can be over 8 connections. Told are microseconds
of CPU of the API server and of the node for one request, which a busy machine changes less than rates. `read` is GET
/api/v1/status by a token (what many ask at once is asked of the node once), `fresh` GET /api/v1/node/profile, which the node is
asked for each time: three steps. `collector` sends all steps to a real receiver of OTLP in this process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from appliance.foundation import clock
from tests.netns.daemons import Host
from tests.netns.throwaway import Throwaway
from tests.perf.api import PORT, Load, _prepared, request
from tests.rigs.collector import collecting

COLLECTOR_PORT = 4318
CONTENDERS = {
    "without": "",
    "without, again": "",
    "sample 0": "tracing: {sample: 0}",
    "sample 0.1": "tracing: {sample: 0.1}",
    "sample 1": "tracing: {sample: 1}",
    "collector": f"tracing: {{sample: 1, otlp: 'http://127.0.0.1:{COLLECTOR_PORT}'}}",
}
PATHS = {"read": "/api/v1/status", "fresh": "/api/v1/node/profile"}


def run(hosts: dict[str, Host], rounds: int, seconds: float) -> dict[str, Any]:
    tokens = {name: _prepared(host) for name, host in hosts.items()}
    pids = {name: (host.status()["management"]["pid"], host.status()["pid"]) for name, host in hosts.items()}
    took: dict[str, dict[str, list[tuple[float, float]]]] = {kind: {name: [] for name in hosts} for kind in PATHS}
    for number in range(rounds):
        for kind, path in PATHS.items():
            for name, host in sorted(hosts.items(), reverse=bool(number % 2)):
                before = [*map(_cpu, pids[name])]
                requests = host.namespace.run(_asked, request("GET", path, tokens[name]), seconds)
                api, node = (
                    1e6 * (after - so_far) / requests for so_far, after in zip(before, map(_cpu, pids[name]), strict=True)
                )
                took[kind][name].append((api, node))
    return {
        kind: {
            name: {
                "api_us": round(statistics.median(each[0] for each in found)),
                "node_us": round(statistics.median(each[1] for each in found)),
            }
            for name, found in of.items()
        }
        for kind, of in took.items()
    } | {"memory_mb": {name: _memory(pid) for name, (pid, _) in pids.items()}}


def _asked(text: bytes, seconds: float) -> int:
    load = Load(PORT, text)
    asyncio.run(load.flat_out(seconds))
    assert not load.failed
    return len(load.took)


def _cpu(pid: int) -> float:
    found = clock.cpu_seconds(pid)
    assert found is not None
    return found


def _memory(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * 4096 / 2**20, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="appliance-") as name, ExitStack() as ending:
        hosts: dict[str, Host] = {}
        Path(name).chmod(0o755)
        for number, (contender, tracing) in enumerate(CONTENDERS.items(), 1):
            namespace = ending.enter_context(Throwaway())
            folder = Path(name) / str(number)
            folder.mkdir(mode=0o755)
            hosts[contender] = host = Host(namespace, folder, 1)
            host.write(Host(namespace, folder, 2), more=f"management: {{limits: {{requests: 0}}, {tracing}}}")
            if contender == "collector":
                door = namespace.run(socket.create_server, ("127.0.0.1", COLLECTOR_PORT))
                ending.enter_context(collecting(door))
            host.start()
            ending.callback(host.stop)
            host.hear("the API server is ready")
        found = run(hosts, arguments.rounds, arguments.seconds)
    print(json.dumps(found, indent=None if arguments.json else 2))


if __name__ == "__main__":
    main()
