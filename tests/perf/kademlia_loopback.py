"""The same as `dht_loopback`, by PyPI's `kademlia`. It runs in an environment of its own, and imports nothing of ours."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import resource
import sys
import time
from typing import Any

from kademlia.network import Server


async def measure(nodes: int, records: int) -> dict[str, Any]:
    """Found it, put and get."""
    logging.disable(logging.CRITICAL)
    first = 20_000 + random.randrange(20_000)
    members = [Server() for _ in range(nodes)]
    for number, member in enumerate(members):
        await member.listen(first + number, interface="127.0.0.1")
    for number, member in enumerate(members[1:], 1):
        await member.bootstrap([("127.0.0.1", first + random.randrange(number))])
    for member in members:
        await member.bootstrap(member.bootstrappable_neighbors())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    figures: dict[str, Any] = {}
    for name in ("put", "get"):
        seconds, right, cpu = [], 0, time.process_time()
        for number in range(records):
            member, begun = random.choice(members), time.perf_counter()
            key, value = f"key {number}", f"value {number}"
            if name == "put":
                right += bool(await member.set(key, value))
            else:
                right += await member.get(key) == value
            seconds.append(time.perf_counter() - begun)
        figures[name] = {"seconds": seconds, "right": right, "cpu": (time.process_time() - cpu) / records}
    figures["kilobytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    for member in members:
        member.stop()
    return figures


if __name__ == "__main__":
    json.dump(asyncio.run(measure(int(sys.argv[1]), int(sys.argv[2]))), sys.stdout)
