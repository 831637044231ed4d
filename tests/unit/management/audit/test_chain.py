"""Lines of a log: read as they were written, and nothing else is one."""

from __future__ import annotations

import pytest

from appliance.management.audit.chain import (
    ENTRY_LABEL,
    NOTHING,
    SEGMENT_LABEL,
    Beginning,
    LineDamaged,
    beginning_of,
    line_of,
    next_hash,
    number_of,
    read_line,
)


def test_a_line_is_read_as_it_was_written() -> None:
    line = read_line(line_of(b"\x0b" * 32, b'{"n":7}')[:-1])
    assert (line.hash, line.text, number_of(line)) == (b"\x0b" * 32, b'{"n":7}', 7)


def test_a_beginning_is_read_as_it_was_written() -> None:
    beginning = Beginning(2, "0b" * 16, "llp1:x", 8, b"\x0c" * 32, "2026-11-28T06:00:00.000Z")
    assert beginning_of(read_line(line_of(NOTHING, beginning.text())[:-1])) == beginning


def test_a_beginning_is_no_entry_and_an_entry_no_beginning() -> None:
    assert next_hash(SEGMENT_LABEL, NOTHING, b"{}") != next_hash(ENTRY_LABEL, NOTHING, b"{}")


@pytest.mark.parametrize("line", [b"", b"x" * 70, b"0" * 64 + b" []", b"0" * 64 + b"{}", b"g" * 64 + b" {}", b"0" * 64 + b" {"])
def test_what_is_no_line(line: bytes) -> None:
    with pytest.raises(LineDamaged):
        read_line(line)


@pytest.mark.parametrize("text", [b"{}", b'{"n":0}', b'{"n":"1"}', b'{"n":true}', b'{"n":1.0}', b'{"n":9007199254740993}'])
def test_what_is_no_entry(text: bytes) -> None:
    with pytest.raises(LineDamaged):
        number_of(read_line(line_of(NOTHING, text)[:-1]))


def test_what_is_no_beginning() -> None:
    good = Beginning(1, "0b" * 16, "llp1:x", 1, NOTHING, "").text()
    changes = ((b'"audit":1', b'"audit":2'), (b'"after":"00', b'"after":"xx'), (b'"after":"00', b'"after":"'))
    changes += ((b'"log":"0b', b'"log":"  '), (b'"log":"0b', b'"log":"0B'), (b'"first":1', b'"first":0'))
    for text in (b"{}", *(good.replace(*change) for change in changes)):
        with pytest.raises(LineDamaged):
            beginning_of(read_line(line_of(NOTHING, text)[:-1]))
