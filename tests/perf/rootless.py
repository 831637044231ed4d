"""How fast a stream of a rootless node is beside one of root's node, as a ratio within one run (root only).

usage: .venv/bin/python -m tests.perf.rootless [--rounds N] [--seconds S]

One host has a node that serves; on the other one run root's node and an ordinary user's. In turn, a program of each asks its node
for a stream by descriptor and writes into it as fast as it can. What counts is the median of the rounds' ratios: other processes
disturb both ends of a round alike.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tests.netns.daemons import Host
from tests.netns.throwaway import Throwaway
from tests.rigs.ordinary import Ordinary, home_of_an_ordinary_user

BAR: Final = 0.9
SINK: Final = """
import asyncio, threading
from appliance.sdk import Client

def drain(taken):
    taken.setblocking(True)
    room = bytearray(1 << 18)
    with taken:
        while taken.recv_into(room):
            pass

async def main():
    async with Client() as client, await client.listen("sink") as listener:
        print("serving", flush=True)
        async for connection in listener:
            threading.Thread(target=drain, args=(connection.detach(),), daemon=True).start()

asyncio.run(main())
"""
SOURCE: Final = """
import asyncio, sys, time
from appliance.sdk import Client

async def main():
    async with Client() as client:
        taken = (await client.connect(sys.argv[1], "sink", deadline=60.0)).detach()
    taken.setblocking(True)
    piece, sent = bytes(1 << 18), 0
    began = time.monotonic()
    with taken:
        while time.monotonic() - began < float(sys.argv[2]):
            sent += taken.send(piece)
    print(sent * 8 / (time.monotonic() - began) / 1e6)

asyncio.run(main())
"""


def main() -> int:
    """Print the medians. Returns 1 if the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    with ExitStack() as stack:
        root, user = _hosts(stack)
        found = []
        for number in range(options.rounds):
            pair = {host: _megabits(host, options.seconds) for host in ((root, user), (user, root))[number % 2]}
            found.append((pair[root], pair[user]))
            print(
                f"root {pair[root]:7.0f} Mbit/s   rootless {pair[user]:7.0f} Mbit/s   {pair[user] / pair[root]:.2f}", flush=True
            )
        ratio = statistics.median(user / root for root, user in found)
        print(f"rootless {ratio:.2f} x root (bar {BAR})")
    return int(ratio < BAR)


def _hosts(stack: ExitStack) -> tuple[Host, Ordinary]:
    one, two = stack.enter_context(Throwaway()), stack.enter_context(Throwaway())
    folder, home = Path(stack.enter_context(tempfile.TemporaryDirectory())), stack.enter_context(home_of_an_ordinary_user())
    one.sh(f"ip link add wire type veth peer name wire netns {two.name}")
    for number, namespace in enumerate((one, two), 1):
        namespace.sh(f"ip addr add 192.0.2.{number}/24 dev wire; ip link set wire up")
    hub, root, user = Host(one, folder, 1), Host(two, folder, 2), Ordinary(two, folder, 3, home)
    user.profile = home / "3.yaml"
    user.own_key()
    hub.profile.write_text(_profile(hub, "udp://0.0.0.0:8443", (root, ""), (user, "")))
    for host, port in ((root, 8443), (user, 8444)):
        host.profile.write_text(_profile(host, f"udp://0.0.0.0:{port}", (hub, "udp://192.0.2.1:8443")))
    hub.start()
    stack.callback(hub.stop)
    root.start()
    stack.callback(root.stop)
    user.rootless()
    stack.callback(user.stop)
    sink = stack.enter_context(_python(hub, SINK))
    stack.callback(sink.terminate)
    assert sink.stdout is not None
    assert sink.stdout.readline() == b"serving\n"
    return root, user


def _profile(host: Host, listen: str, *peers: tuple[Host, str]) -> str:
    entries = "".join(
        f"  - {{name: host-{peer.number}, identity: {peer.identity.fingerprint}, endpoints: [{at}], "
        f"allowed: [10.8.0.{peer.number}/32]}}\n"
        for peer, at in peers
    )
    return (
        f"profile: 1\nname: host-{host.number}\nserver: {{identity: file:{host.number}.key, listen: ['{listen}']}}\n"
        f"network: {{addresses: [10.8.0.{host.number}/24]}}\nplugins: [transport-ip, crypto-standard, routing-static]\n"
        f"peers:\n{entries}"
    )


def _megabits(host: Host, seconds: float) -> float:
    with _python(host, SOURCE, "host-1", str(seconds)) as source:
        said, _ = source.communicate(timeout=seconds + 90)
    return float(said)


def _python(host: Host, script: str, *words: str) -> subprocess.Popen[bytes]:
    command = [*host.entering, sys.executable, "-P", "-c", script, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=host.environ())


if __name__ == "__main__":
    sys.exit(main())
