"""Keys rotate by bytes without losing, doubling or reordering a packet."""

from __future__ import annotations

import random

from rigs.dataplane import carry, pair
from rigs.packets import udp4


def test_a_hundred_rotations_lose_nothing() -> None:
    a, b, out, back = pair(rotate=20_000)
    packets = [udp4(1000, mark & 0xFF) for mark in range(2500)]
    for i in range(0, len(packets), 5):
        a.send(*packets[i : i + 5])
        carry(out, b, back)
    assert a.world.sessions[5].sender.epoch >= 100
    assert b.packets == packets
    assert b.drops == {}


def test_records_reordered_across_a_rotation_still_open() -> None:
    a, b, out, back = pair(rotate=20_000)
    packets = [udp4(1000, mark & 0xFF) for mark in range(400)]
    for packet in packets:
        a.send(packet)
    shuffler = random.Random(7)
    records, out.records = out.records, []
    while records:
        window = records[:12]
        records = records[12:]
        shuffler.shuffle(window)
        for record in window:
            b.take(record, back)
    assert sorted(b.packets) == sorted(packets)
    assert b.drops == {}


def test_an_old_key_opens_nothing_two_epochs_later() -> None:
    a, b, out, back = pair(rotate=2_000)
    a.send(udp4(100))
    late = out.records.pop()
    for _ in range(12):
        a.send(udp4(1000))
    carry(out, b, back)
    assert b.world.sessions[5].receiver.epoch >= 3
    assert not b.take(late, back)
    assert b.drops == {"bad_tag": 1}


def test_a_receiver_left_epochs_behind_asks_for_a_new_handshake_once() -> None:
    a, b, out, back = pair(rotate=2_000)
    for _ in range(12):
        a.send(udp4(1000))
    lost, out.records = out.records[:8], out.records[8:]
    assert lost
    carry(out, b, back)
    assert b.packets == []
    assert len(b.heard.stalled) <= 1
    assert b.drops["bad_tag"] >= 3


def test_the_two_directions_rotate_apart() -> None:
    a, b, out, back = pair(rotate=10_000)
    for _ in range(100):
        a.send(udp4(1000))
        b.send(udp4(10, source="10.8.0.2", destination="10.8.0.1"))
        carry(out, b, back)
        carry(back, a, out)
    assert a.world.sessions[5].sender.epoch > 5
    assert b.world.sessions[5].sender.epoch == 0
    assert len(a.packets) == len(b.packets) == 100
