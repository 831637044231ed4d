"""Entries of the journal's own protocol: bounded, and no field can pass for another."""

from __future__ import annotations

import struct

from appliance.foundation.journal_output import LONGEST, MOST_FIELDS, encode


def test_a_value_with_line_breaks_comes_with_its_length() -> None:
    value = "two\nlines\nPEER=not me"
    assert encode({"error": value}) == b"ERROR\n" + struct.pack("<Q", len(value)) + value.encode() + b"\n"


def test_names_are_what_the_journal_takes() -> None:
    fields = {"peer-name": "a", "_pid": "1", "9lives": "b", "_": "nothing is left", "x" * 70: "c"}
    assert encode(fields) == b"PEER_NAME=a\nPID=1\nLIVES=b\n" + b"X" * 64 + b"=c\n"


def test_an_entry_is_bounded_and_the_text_is_always_in_it() -> None:
    fields = {f"field{number}": "x" for number in range(100)} | {"message": "y" * (LONGEST + 10)}
    lines = encode(fields).splitlines()
    assert len(lines) == MOST_FIELDS
    assert lines[-1] == b"MESSAGE=" + b"y" * LONGEST


def test_what_is_no_text_is_escaped() -> None:
    assert encode({"peer": "a\udc80"}) == b"PEER=a\\udc80\n"
