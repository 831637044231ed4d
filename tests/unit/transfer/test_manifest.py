from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.transfer.faults import Reason, TransferFault
from appliance.transfer.manifest import (
    MAX_DEPTH,
    MAX_FILE_BYTES,
    MAX_NAME_BYTES,
    MAX_PATHS_BYTES,
    Entry,
    Kind,
    Manifest,
    decode_entries,
    encode_entry,
    judge_path,
    key_of,
)

ENTRIES = st.builds(
    Entry,
    st.sampled_from(Kind),
    st.binary(max_size=40),
    st.integers(0, 0xFFFF),
    st.integers(0, (1 << 64) - 1),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.binary(min_size=16, max_size=16),
)


def file(path: bytes, size: int = 0, version: bytes = bytes(16)) -> Entry:
    return Entry(Kind.FILE, path, 0o644, size, 0, version)


def folder(path: bytes) -> Entry:
    return Entry(Kind.FOLDER, path, 0o755, 0, 0, bytes(16))


@given(st.lists(ENTRIES, max_size=6))
def test_entries_come_as_they_were_written(entries: list[Entry]) -> None:
    assert decode_entries(b"".join(map(encode_entry, entries))) == entries


@given(st.binary(max_size=200))
def test_any_bytes_are_entries_or_a_fault(body: bytes) -> None:
    try:
        entries = decode_entries(body)
    except TransferFault:
        return
    assert b"".join(map(encode_entry, entries)) == body


@given(st.binary(max_size=40))
def test_a_path_that_passes_leads_downwards(path: bytes) -> None:
    try:
        judge_path(path)
    except TransferFault:
        return
    assert not path.startswith(b"/")
    assert b"\0" not in path
    assert not {b"", b".", b".."} & set(path.split(b"/"))


@pytest.mark.parametrize(
    "path",
    [
        *(b"", b"/etc/passwd", b"..", b"../x", b"a/../../x", b"a//b", b"a/", b"./a", b"a/.", b"a\0b"),
        *(b"x" * (MAX_NAME_BYTES + 1), b"/".join([b"x"] * (MAX_DEPTH + 1)), b"/".join([b"x" * 200] * 30)),
    ],
)
def test_a_path_that_could_lead_elsewhere_is_refused(path: bytes) -> None:
    with pytest.raises(TransferFault):
        judge_path(path)


def test_dots_and_odd_bytes_in_names_are_names() -> None:
    for path in (b"...", b"..a", b"a../b..", b"\xff\n ", b"-rf"):
        judge_path(path)


@pytest.mark.parametrize(
    "entries",
    [
        [file(b"a"), file(b"a")],
        [file(b"a"), folder(b"a")],
        [file(b"a"), file(b"a/b")],
        [file(b"a/b")],
        [folder(b"a"), file(b"a/b/c")],
        [file(b"a", MAX_FILE_BYTES + 1)],
        [folder(b"a")._replace(size=1)],
        [file(b"a")._replace(mode=0o4755)],
    ],
    ids=["twice", "both", "below a file", "no folder", "a folder left out", "too large", "a folder of a size", "set-user-ID"],
)
def test_what_cannot_be_is_refused(entries: list[Entry]) -> None:
    with pytest.raises(TransferFault):
        Manifest(entries)


def test_names_are_bounded_together() -> None:
    manifest = Manifest()
    parent = b"/".join([b"x" * 200] * 20)
    for depth in range(1, 21):
        manifest.add(folder(b"/".join([b"x" * 200] * depth)))
    entries = [file(b"%s/%d" % (parent, number)) for number in range(MAX_PATHS_BYTES // len(parent) + 1)]
    with pytest.raises(TransferFault) as fault:
        deque(map(manifest.add, entries), maxlen=0)
    assert fault.value.reason is Reason.TOO_MANY


def test_each_of_path_size_version_and_sender_makes_another_key() -> None:
    one = file(b"a", 1)
    others = [one._replace(path=b"b"), one._replace(size=2), one._replace(version=b"v" * 16)]
    assert len({key_of("left", one), key_of("right", one), *(key_of("left", other) for other in others)}) == 5
    assert key_of("left", one) == key_of("left", one._replace(mtime_ns=5, mode=0o600))
