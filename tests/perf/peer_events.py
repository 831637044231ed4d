"""What changes of peers and sessions cost the control loop of a node with many peers. No root, no second machine.

usage: .venv/bin/python -m tests.perf.peer_events [--peers 10000] [--sessions 1] [--times 200] [--json]

The node runs in this process, without a host, with a real worker on a packet pair. `sessions` of the profile's peers have a
session already, over a listener; a further member comes, has a session and goes, `times` times. Timed is what the control process
does in one go: in `add_peer` and `drop_peer`, and in all that follows from a session's beginning and end but its handshake.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import statistics
import time
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from appliance.api.profile import Profile
from appliance.api.values import Endpoint
from appliance.plugin_host import PluginHost
from appliance.protocol.events import CloseReason, SessionConfirmed, SessionReady
from appliance.protocol.identity import Identity
from appliance.protocol.session import Session, SessionState
from appliance.runtime.around import Around
from appliance.runtime.node_runtime import NodeRuntime
from appliance.runtime.peers.known_paths import KnownPaths
from appliance.runtime.peers.table import PeerEntry
from appliance.runtime.workers.packet_device import packet_pair
from tests.rigs.crowded import fingerprint_of

BARS = {"add_peer": 5.0, "session begins": 1.0, "session ends": 1.0, "drop_peer": 5.0}
"""Milliseconds that the median may take among 10,000 peers."""


def profile(peers: int, sessions: int) -> Profile:
    """Peers with a prefix each; nobody is called."""
    entries = [
        {
            "name": f"peer-{number}",
            "identity": fingerprint_of(number),
            "allowed": [f"10.{65 + (number >> 16)}.{number >> 8 & 255}.{number & 255}/32"],
        }
        for number in range(peers)
    ]
    listen = [Endpoint("udp", "127.0.0.1", 0)]
    network = {"addresses": ["10.64.0.1/10"], "workers": 1}
    limits = {"sessions": max(1000, 2 * sessions)}
    written = {"profile": 1, "server": {"listen": listen}, "network": network, "limits": limits, "peers": entries}
    return Profile.model_validate(written)


class Bench:
    """A running node, and sessions that no handshake made."""

    def __init__(self, node: NodeRuntime) -> None:
        self._driver = node.driver
        self._shared = node.driver.node._shared
        [self._listener] = [link for link in node.links if link.listener]
        self._suite = next(iter(self._shared.suites.values()))

    def open(self, peer: str, number: int) -> Session:
        """A session begins, as after its handshake."""
        context, source = self._shared, (f"127.1.{number >> 8 & 255}.{number & 255}", 4711)
        session = Session(
            index=context.new_index(),
            remote_index=number + 1,
            peer=peer,
            session_id=uuid4(),
            suite=self._suite,
            pq=True,
            initiator=False,
            link=self._listener.number,
            to=source,
            endpoint=Endpoint("udp", *source),
            started=0.0,
            since=0.0,
            last_heard=time.monotonic(),
        )
        context.open(session)
        context.use(session.link, session.index)
        chains = os.urandom(64), os.urandom(64)
        about = session.index, session.remote_index, peer, session.session_id, self._suite
        ready = SessionReady(*about, *chains, session.pq, session.link, source, session.compression)
        session.state = SessionState.ACTIVE
        context.peers[peer].session = session.index
        self._driver._do(ready)
        self._driver._do(SessionConfirmed(session.index, peer))
        return session

    def close(self, session: Session) -> None:
        """It ends."""
        self._shared.close(session, CloseReason.IDLE)
        self._driver._settle()


async def measure(peers: int, sessions: int, times: int) -> dict[str, Any]:
    """Milliseconds of each deed: median and longest."""
    made = profile(peers, sessions)
    device, application = packet_pair()
    with TemporaryDirectory() as folder:
        paths = KnownPaths(Path(folder))
        node = NodeRuntime(made, PluginHost.load(made.plugins), Identity.generate(), Around(remember=paths.note))
        await node.start([device])
        try:
            bench = Bench(node)
            for number in range(sessions):
                bench.open(f"peer-{number}", number)
                await asyncio.sleep(0)
            gc.collect()
            gc.freeze()
            took: dict[str, list[float]] = {deed: [] for deed in BARS}
            member = PeerEntry("member", fingerprint_of(peers), allowed=(ip_network("192.0.2.1/32"),))
            for number in range(times):
                await timed(took["add_peer"], lambda: node.peers.add_peer(member))
                session = await timed(took["session begins"], lambda number=number: bench.open("member", 60_000 + number % 5000))
                await timed(took["session ends"], lambda session=session: bench.close(session))
                await timed(took["drop_peer"], lambda: node.peers.drop_peer("member"))
        finally:
            await node.stop()
            paths.close()
            application.close()
            device.close()
    return {
        "peers": peers,
        "sessions": sessions,
        "times": times,
        "ms": {
            deed: {"median": round(1000 * statistics.median(each), 3), "longest": round(1000 * max(each), 3)}
            for deed, each in took.items()
        },
    }


async def timed(took: list[float], deed: Callable[[], Any]) -> Any:
    """Do it, and let the loop do what follows at once."""
    begun = time.perf_counter()
    result = deed()
    await asyncio.sleep(0)
    took.append(time.perf_counter() - begun)
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=int, default=10_000)
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = asyncio.run(measure(options.peers, options.sessions, options.times))
    if options.json:
        print(json.dumps(figures, indent=1))
        return
    for deed, found in figures["ms"].items():
        met = "met" if found["median"] <= BARS[deed] else "NOT met"
        print(f"{deed:16} median {found['median']:8.3f} ms, longest {found['longest']:8.3f} ms; at most {BARS[deed]:g}: {met}")


if __name__ == "__main__":
    main()
