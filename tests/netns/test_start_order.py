"""What starts after what, on a node that has every part: read from its log, and the same backwards at its end."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import pytest

from tests.netns.daemons import Host
from tests.netns.test_mesh import Owner, write
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

EVERYTHING = """
audit: {}
policy: {allow: [{from: [any], what: [icmp]}]}
paths: {}
management: {}
monitoring: {prometheus: {listen: "127.0.0.1:9102"}}
discovery: {mdns: {}}
plugins: [transport-ip, crypto-standard, routing-static, discovery-mdns, monitoring-prometheus]
"""
FLOORS = (
    # Each needs those above it. Of a floor, parts do not need each other.
    {"worker"},  # a process that imports while all else is looked at; it has nothing to do yet
    {"audit log"},  # storage: what is done from here on is on record
    {"transports"},  # a port that somebody has is found before the host is touched
    {"names"},  # before the host is told to ask here
    {"host", "TUN device"},
    {"host watch"},
    {"surroundings", "policy"},  # before the first packet
    {"tasks", "node"},  # peers: sessions, with the workers attached
    {"mesh"},  # state without a server: certificates, rows, revocations
    {"routing", "peer protocols"},
    {"members"},  # who is there is told from here on, in one of these protocols
    {"shared knowledge"},
    {"direct paths"},
    {"discovery"},
    {"monitors"},
    {"streams"},
    {"control socket"},  # whoever is answered finds a node that is there
    {"management"},
)
KNOWN_TOGETHER = ["scores", "dht", "topics", "rendezvous"]
"""The parts of shared knowledge: who misbehaves is known first, and rendezvous and programs find by all others."""


def test_parts_start_in_the_order_of_what_they_need_and_end_the_other_way_round() -> None:
    with Throwaway() as namespace, tempfile.TemporaryDirectory(prefix="appliance-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the API server's user enters it
        namespace.sh("ip link set lo up")
        host, owner = Host(namespace, folder, 1), Owner()
        owner.hand(host, owner.certificate(host).encoded)
        write(host, owner, more=EVERYTHING)
        host.start(APPLIANCE_LOG="debug")
        host.hear("the API server is ready")
        started = [line["part"] for line in host.logged("a part starts")]
        known = [line["part"] for line in host.logged("shared knowledge starts")]
        assert host.stop() == 0
        ended = [line["part"] for line in host.logged("a part ends")]
        forgotten = [line["part"] for line in host.logged("shared knowledge ends")]
    floors = [next((number for number, parts in enumerate(FLOORS) if part in parts), None) for part in started]
    assert not [part for part, floor in zip(started, floors, strict=True) if floor is None], "it has no place in the table"
    assert set(started) == set().union(*FLOORS)
    first = {part: started.index(part) for part in started}
    for lower, upper in pairwise(FLOORS):
        assert max(first[part] for part in lower) < min(first[part] for part in upper), (lower, upper)
    assert ended == started[::-1]
    assert known == KNOWN_TOGETHER
    assert forgotten == KNOWN_TOGETHER[::-1]
