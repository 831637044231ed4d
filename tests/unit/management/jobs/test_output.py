"""What an execution says is numbered, cut, and kept in chunks of which the oldest go."""

from __future__ import annotations

import json

from appliance.management.jobs.execution import Limits
from appliance.management.jobs.output import MOST_CHUNK, MOST_LINE, Output, chunk_key, events_in, line


def test_ids_only_grow_and_events_are_written_together() -> None:
    output = Output(Limits(), last=6)
    assert output.take() is None
    output.add("state", "08:00", {"state": "running"})
    output.add("output", "08:01", {"line": "hello"})
    written = output.take()
    assert written is not None
    assert [(event.id, event.kind) for event in written.chunk.events] == [(7, "state"), (8, "output")]
    assert json.loads(written.chunk.events[1].text) == {"event": "output", "time": "08:01", "line": "hello"}
    assert written.chunk.last == 8
    assert events_in(written.chunk.value()) == list(written.chunk.events)
    assert output.pending == 0


def test_the_oldest_chunks_go() -> None:
    output = Output(Limits(output_events=4))
    forgotten = []
    for number in range(8):
        output.add("output", "08:00", {"line": str(number)})
        output.add("output", "08:00", {"line": str(number)})
        written = output.take()
        assert written is not None
        forgotten += written.forget
    assert forgotten == [2, 4, 6, 8, 10, 12]


def test_bytes_are_bounded_and_the_newest_chunk_stays() -> None:
    output = Output(Limits(output_bytes=10_000))
    for _ in range(3):
        output.add("output", "08:00", {"line": "x" * 30_000})
    last = [written.chunk.last for written in iter(output.take, None)]
    assert last == [1, 2, 3]
    assert output.take() is None


def test_much_at_once_makes_several_chunks() -> None:
    output = Output(Limits())
    for _ in range(10):
        output.add("output", "08:00", {"line": "x" * 4_000})
    sizes = [written.chunk.size for written in iter(output.take, None)]
    assert len(sizes) > 1
    assert all(size <= MOST_CHUNK for size in sizes)


def test_a_long_line_is_cut() -> None:
    assert line("short") == "short"
    assert len(line("x" * 1_000_000)) < MOST_LINE + 30


def test_keys_of_chunks_are_in_the_order_of_ids() -> None:
    assert sorted(chunk_key("e", number) for number in (100, 9, 10)) == [chunk_key("e", number) for number in (9, 10, 100)]
