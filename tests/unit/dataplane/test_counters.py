"""Counters that two processes share: a reader meets whole numbers only."""

from __future__ import annotations

import mmap
import multiprocessing
import os
from multiprocessing.synchronize import Event

from appliance.dataplane import counters as layout

SLOTS = 4
BOTH_HALVES = (1 << 32) + 1
"""A multiple of it has the same number in its upper and its lower 32 bits."""


def count_up(descriptor: int, enough: Event) -> None:
    row = layout.base(SLOTS - 1)
    counters = memoryview(mmap.mmap(descriptor, 0)).cast("Q")
    while not enough.is_set():
        for _ in range(1000):
            counters[row + layout.RX_BYTES] += BOTH_HALVES


def test_a_reader_never_meets_half_of_a_number() -> None:
    descriptor = os.memfd_create("counters")
    os.ftruncate(descriptor, layout.size_bytes(SLOTS))
    counters = memoryview(mmap.mmap(descriptor, 0)).cast("Q")
    at = layout.base(SLOTS - 1) + layout.RX_BYTES
    forking = multiprocessing.get_context("fork")
    enough = forking.Event()
    writer = forking.Process(target=count_up, args=(descriptor, enough))
    writer.start()
    try:
        while not counters[at]:
            pass
        seen = [counters[at] for _ in range(200_000)]
    finally:
        enough.set()
        writer.join()
        os.close(descriptor)
    assert not [number for number in seen if number % BOTH_HALVES], "halves of two numbers"
    assert seen == sorted(seen)
    assert seen[0] < seen[-1], "it was read while it was written"


def test_rows_do_not_overlap() -> None:
    rows = [range(layout.base(slot), layout.base(slot) + layout.ROW) for slot in range(SLOTS)]
    assert len({index for row in rows for index in row}) == SLOTS * layout.ROW
    assert rows[0].start == layout.HEAD
    assert layout.size_bytes(SLOTS) == 8 * rows[-1].stop
    assert len(layout.DROP_REASONS) <= layout.CLASSES_AT
