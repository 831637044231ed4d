"""libp2p as the plugin speaks it, beside js-libp2p and py-libp2p, in one run on this machine.

    .venv/bin/python -m tests.perf.libp2p

A stream to a peer in the same process and to js-libp2p in another, each way; then look-ups of records in a Kademlia of our peers,
all in this process, by one of ours and by the foreign ones.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence

from appliance.api.values import Endpoint
from appliance_discovery_libp2p import clock, place
from appliance_discovery_libp2p.kad.messages import Record
from appliance_discovery_libp2p.net import connection as connections
from appliance_discovery_libp2p.net import host as hosts
from appliance_discovery_libp2p.net.streams import Stream
from tests.rigs.libp2p.judges import Judge, judge
from tests.rigs.libp2p.nodes import PUBLIC, Node, nodes

DRAIN = "/test/drain"
MEGABYTES = 256
MEGABYTES_TO_JS = 64
PEERS = 50
LOOK_UPS = 50
MB = 1_000_000
LINE = "{:44} {:>10} {:>10}"


async def main() -> None:
    hosts.MOST_FROM_ONE = hosts.MOST_CALLERS = hosts.MOST_CONNECTIONS = 1000  # all peers are at one address here
    connections.BYTES_AT_ONCE = 1 << 40
    print(LINE.format("a yamux stream over Noise and TCP, loopback", "MB/s", ""))
    async with nodes(2) as (one, two), judge("js", PUBLIC) as script:
        two.host.handle(DRAIN, drain, 600.0)
        await one.meet(two)
        show_rate("ours to ours, both in one process", await sent(one, two.peer, MEGABYTES), MEGABYTES)
        await (await one.host.connect(script.at.peer, [script.at])).known.wait()
        show_rate("ours to js-libp2p", await sent(one, script.at.peer, MEGABYTES_TO_JS), MEGABYTES_TO_JS)
        began = time.perf_counter()
        await script.do("send", to=str(two.at), bytes=MEGABYTES_TO_JS * MB)
        show_rate("js-libp2p to ours", time.perf_counter() - began, MEGABYTES_TO_JS)
    print(LINE.format(f"\na record out of {PEERS} peers", "p50 ms", "p99 ms"))
    async with nodes(PEERS) as crowd:
        await know_each_other(crowd)
        records = [record(one, number) for number, one in enumerate(crowd[:LOOK_UPS])]
        for one, made in zip(crowd, records, strict=False):
            await one.kad.put_value(made)
        asking = Node(9999, PUBLIC)
        await asking.start()
        await asking.meet(crowd[0])

        async def ours(key: bytes) -> bool:
            return bool(await asking.kad.get_values(key))

        show_times("ours", await timed(records, ours))
        await asking.close()
        for kind, name in (("js", "js-libp2p"), ("py", "py-libp2p")):
            async with judge(kind, PUBLIC) as foreign:
                await foreign.do("connect", to=str(crowd[0].at))
                show_times(name, await timed(records, asks(foreign)))


async def drain(stream: Stream) -> None:
    while await stream.read():
        pass


async def sent(one: Node, peer: bytes, megabytes: int) -> float:
    """Seconds until the other side has read all and said so by ending the stream."""
    stream, _ = await one.host.open(peer, (), (DRAIN,))
    piece = bytes(MB)
    began = time.perf_counter()
    for _ in range(megabytes):
        await stream.write(piece)
    stream.end()
    await stream.read()
    return time.perf_counter() - began


async def know_each_other(crowd: Sequence[Node]) -> None:
    for one in crowd[1:]:
        await one.meet(crowd[0])
    for one in crowd[1:]:
        await one.kad.find_node(one.peer)


def record(one: Node, number: int) -> Record:
    return place.made(one.host.own, f"llp1:{number}", [Endpoint("udp", "198.51.100.7", 8443)], clock.wall(), bytes(32))


def asks(foreign: Judge) -> Callable[[bytes], Awaitable[bool]]:
    async def ask(key: bytes) -> bool:
        return bool((await foreign.do("get", key=key.hex()))["value"])

    return ask


async def timed(records: Sequence[Record], get: Callable[[bytes], Awaitable[bool]]) -> list[float]:
    times = []
    for one in records:
        began = time.perf_counter()
        found = await get(one.key)
        times.append(time.perf_counter() - began)
        assert found, len(times)
    return times


def show_rate(what: str, seconds: float, megabytes: int) -> None:
    print(LINE.format(what, f"{megabytes / seconds:.0f}", ""))


def show_times(what: str, times: Sequence[float]) -> None:
    cuts = statistics.quantiles(times, n=100)
    print(LINE.format(what, f"{cuts[49] * 1000:.1f}", f"{cuts[98] * 1000:.1f}"))


if __name__ == "__main__":
    asyncio.run(main())
