"""What the hash table costs: one node that keeps records, look-ups among a thousand in virtual time, and `kademlia` beside it.

usage: .venv/bin/python -m tests.perf.dht [--nodes N] [--records N] [--rounds N] [--simulated N]
       prints Markdown for docs/performance.md

PyPI's `kademlia` runs in an environment of its own, made by uv; without uv it is left out. Both run on this machine in turns, all
members in one process, over UDP on the loopback, so the seconds are those of one core that does everything.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.foundation.clock import wall
from appliance.knowledge.dht.ids import Id, node_id, pack_id
from appliance.knowledge.dht.node import REFRESH_SECONDS, Dht
from appliance.knowledge.dht.wire import Kind, Packed, Type, pack_records
from appliance.knowledge.signed import Record, sign_record
from appliance.protocol.digests import sha256
from tests.rigs.kademlia import Society

ROOT = Path(__file__).parents[2]
RIVAL = "kademlia==2.2.3"
NETWORK = sha256(b"network")
VALUE = bytes(100)
BATCH = 10


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=100, help="members of each hash table on the loopback")
    parser.add_argument("--records", type=int, default=1000, help="that one node keeps")
    parser.add_argument("--rounds", type=int, default=3, help="each way, in turns")
    parser.add_argument("--simulated", type=int, default=1000, help="members in virtual time")
    chosen = parser.parse_args()
    one_node(chosen.records)
    in_virtual_time(chosen.simulated)
    beside(chosen.nodes, chosen.rounds)


def one_node(records: int) -> None:
    """It is handed so many records of 20 writers, and asked for each."""
    writers = [Ed25519PrivateKey.generate() for _ in range(20)]
    digests = [sha256(b"%d" % number) for number in range(20)]
    keys = {digest: key.public_key().public_bytes_raw() for digest, key in zip(digests, writers, strict=True)}
    me = digests[0]
    dht = Dht(me, NETWORK, lambda _wall: keys, writers[0].sign, lambda: 0.5, 0.0)
    own, now = node_id(NETWORK, me), int(wall())

    def record(number: int) -> Packed:
        content = pack_id(point(own, number)) + VALUE
        writer = number % 20
        unsigned = Record(NETWORK, digests[writer], number, now, now + 86400, content)
        return Packed(Type.VALUE, sign_record(unsigned, Type.VALUE.purpose, writers[writer].sign).encoded)

    bodies = [pack_records(map(record, batch)) for batch in batches(range(records), BATCH)]
    tracemalloc.start()
    before, begun = tracemalloc.get_traced_memory()[0], time.process_time()
    for number, body in enumerate(bodies):
        assert dht.answer(digests[number % 20], Kind.STORE, bytes(body), number, wall()) == bytes(BATCH)
    kept, size = time.process_time() - begun, tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    begun = time.process_time()
    for number in range(records):
        assert len(dht.answer(digests[number % 20], Kind.VALUE, pack_id(point(own, number)), 1e3 + number, wall()) or b"") > len(
            VALUE
        )
    given = time.process_time() - begun
    begun = time.process_time()
    dht.due(REFRESH_SECONDS + 1, wall())
    refreshed = time.process_time() - begun
    print(f"| {records} records of {len(VALUE)} bytes are taken, verified and kept | {kept / records * 1e6:.0f} µs each |")
    print(f"| … and take | {size / 1e6:.2f} MB |")
    print(f"| … and are given to who asks | {given / records * 1e6:.0f} µs each |")
    print(f"| … and are looked through each minute | {refreshed * 1e3:.1f} ms |")


def in_virtual_time(nodes: int) -> None:
    """Look-ups among many, with questions of 40 to 160 ms, and three ways more where there is no session."""
    society = Society(nodes)
    society.settle()
    society.run(5.0)
    draw = society.random
    taken = [society.look_up(draw.choice(society.up), Dht.put, b"%d" % number, b"value", 3600) for number in range(100)]
    found = [society.look_up(draw.choice(society.up), Dht.get, b"%d" % number) for number in range(100)]
    assert all(each.ok for each in (*taken, *found))
    for name, looked in (("put", taken), ("get", found)):
        seconds = [each.seconds for each in looked]
        print(f"| {nodes} members in virtual time: {name} | p50 {at(seconds, 0.5):.2f} s, p99 {at(seconds, 0.99):.2f} s |")


def beside(nodes: int, rounds: int) -> None:
    """Ours and the rival's, in turns."""
    uv = shutil.which("uv") or shutil.which(ROOT / ".tools/bin/uv")
    ours = [sys.executable, "-m", "tests.perf.dht_loopback"]
    rival = [str(uv), "run", "-q", "--isolated", "--no-project", "--with", RIVAL, "python", "tests/perf/kademlia_loopback.py"]
    runs: dict[str, list[dict[str, Any]]] = {"ours": [], "kademlia": []}
    for _ in range(rounds):
        for name, command in (("ours", ours), ("kademlia", rival)):
            if name == "ours" or uv:
                done = subprocess.run([*command, str(nodes), "200"], cwd=ROOT, check=True, capture_output=True, timeout=300)
                runs[name].append(json.loads(done.stdout))
    print(f"\n{nodes} members on the loopback, 200 records, {rounds} rounds:\n")
    print("| | p50 | p99 | CPU of all members | right |\n|---|---|---|---|---|")
    for verb in ("put", "get"):
        for name, figures in runs.items():
            if figures:
                seconds = [second for each in figures for second in each[verb]["seconds"]]
                cpu = median(each[verb]["cpu"] for each in figures)
                right = min(each[verb]["right"] for each in figures)
                times = " | ".join(f"{second * 1e3:.1f} ms" for second in (at(seconds, 0.5), at(seconds, 0.99), cpu))
                print(f"| {verb}, {name} | {times} | {right} |")


def point(own: Id, number: int) -> Id:
    """Near the node, so that it keeps it."""
    return own ^ number


def at(seconds: list[float], share: float) -> float:
    """That quantile."""
    return sorted(seconds)[min(len(seconds) - 1, int(len(seconds) * share))]


def batches(numbers: Iterable[int], size: int) -> Iterable[list[int]]:
    """So many at a time."""
    rest = iter(numbers)
    while batch := list(islice(rest, size)):
        yield batch


if __name__ == "__main__":
    main()
