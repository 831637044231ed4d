"""Members of a hash table (`knowledge.dht`) in one process, over UDP on the loopback: what their machines cost without sessions.

Prints JSON for `tests.perf.dht`. Records have real signatures; datagrams are neither encrypted nor lost.
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import struct
import sys
import time
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.foundation.clock import monotonic, wall
from appliance.knowledge.dht.jobs import Finished
from appliance.knowledge.dht.node import Dht
from appliance.protocol.digests import sha256

NETWORK = sha256(b"network")
_HEAD = struct.Struct("!BI32sB")
QUESTION, ANSWER, NONE = 0, 1, 2


class Node(asyncio.DatagramProtocol):
    """One member, with a socket."""

    def __init__(self, number: int, everybody: dict[bytes, Any], keys: dict[bytes, bytes]) -> None:
        key = Ed25519PrivateKey.generate()
        self.digest = sha256(b"identity %d" % number)
        keys[self.digest] = key.public_key().public_bytes_raw()
        self.everybody = everybody
        self.dht = Dht(self.digest, NETWORK, lambda _wall: keys, key.sign, random.random, monotonic())
        self.waiting: dict[int, asyncio.Future[Finished]] = {}
        self.asked: dict[int, asyncio.TimerHandle] = {}
        self.timer: asyncio.TimerHandle | None = None

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, ("127.0.0.1", 0))
        self.everybody[self.digest] = self.transport.get_extra_info("sockname")

    def datagram_received(self, data: bytes, _source: Any) -> None:
        what, number, peer, length = _HEAD.unpack_from(data)
        kind, body = data[_HEAD.size : _HEAD.size + length].decode(), data[_HEAD.size + length :]
        if what == QUESTION:
            answer = self.dht.answer(peer, kind, body, monotonic(), wall())
            self.send(peer, NONE if answer is None else ANSWER, number, "", answer or b"")
        elif number in self.asked:
            self.answered(number, body if what == ANSWER else None)
        self.act()

    def answered(self, number: int, body: bytes | None) -> None:
        self.asked.pop(number).cancel()
        self.dht.answered(number, body, monotonic(), wall())
        self.act()

    def act(self) -> None:
        asked, self.dht.asked = self.dht.asked, []
        for ask in asked:
            self.asked[ask.number] = asyncio.get_running_loop().call_later(ask.within, self.answered, ask.number, None)
            self.send(ask.peer, QUESTION, ask.number, ask.kind, ask.body)
        finished, self.dht.finished = self.dht.finished, []
        for each in finished:
            if (waiting := self.waiting.pop(each.number, None)) is not None:
                waiting.set_result(each)
        if self.timer is not None:
            self.timer.cancel()
        self.timer = asyncio.get_running_loop().call_later(max(0.0, self.dht.next_due() - monotonic()), self.ring)

    def ring(self) -> None:
        self.dht.due(monotonic(), wall())
        self.act()

    def send(self, peer: bytes, what: int, number: int, kind: str, body: bytes) -> None:
        head = _HEAD.pack(what, number, self.digest, len(kind)) + kind.encode()
        self.transport.sendto(head + body, self.everybody[peer])

    async def look_up(self, verb: Any, *arguments: Any) -> Finished:
        number = verb(self.dht, *arguments, monotonic(), wall())
        waiting = self.waiting[number] = asyncio.get_running_loop().create_future()
        self.act()
        return await waiting

    def close(self) -> None:
        self.transport.close()
        for timer in (self.timer, *self.asked.values()):
            if timer is not None:
                timer.cancel()


async def measure(nodes: int, records: int) -> dict[str, Any]:
    """Found it, put and get."""
    everybody: dict[bytes, Any] = {}
    keys: dict[bytes, bytes] = {}
    members = [Node(number, everybody, keys) for number in range(nodes)]
    for member in members:
        await member.open()
    for member in members[1:]:
        first = random.choice(members)
        member.dht.connected(first.digest, monotonic())
        member.act()
    await asyncio.sleep(12.0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    figures: dict[str, Any] = {}
    for name in ("put", "get"):
        seconds, right, cpu = [], 0, time.process_time()
        for number in range(records):
            member, begun = random.choice(members), time.perf_counter()
            key, value = b"key %d" % number, b"value %d" % number
            if name == "put":
                found = await member.look_up(Dht.put, key, value, 3600)
                right += found.ok
            else:
                found = await member.look_up(Dht.get, key)
                right += [record.content[20:] for record in found.records] == [value]
            seconds.append(time.perf_counter() - begun)
        figures[name] = {"seconds": seconds, "right": right, "cpu": (time.process_time() - cpu) / records}
    figures["kilobytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    for member in members:
        member.close()
    return figures


if __name__ == "__main__":
    json.dump(asyncio.run(measure(int(sys.argv[1]), int(sys.argv[2]))), sys.stdout)
