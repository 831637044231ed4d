from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.files import seals
from appliance.files.seals import Seal, Seals, What
from appliance.transfer.tree import HASH_BYTES

SEALS = st.builds(
    lambda what, key, chunks, inode, mtime_ns: Seal(
        what, key, chunks, (bytes(HASH_BYTES),) * chunks.bit_count(), inode, mtime_ns
    ),
    st.sampled_from(What),
    st.sampled_from([bytes([number]) * 16 for number in range(4)]),
    st.integers(0, 1 << 40),
    st.integers(0, 1 << 63),
    st.integers(-(1 << 62), 1 << 62),
)
KEY = b"k" * 16


@contextmanager
def journal(folder: Path) -> Iterator[Seals]:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    made = Seals(fd)
    yield made
    made.close()
    os.close(fd)


@given(st.lists(SEALS, max_size=8), st.data())
def test_a_torn_journal_says_what_was_whole(said: list[Seal], data: st.DataObject) -> None:
    encoded = [seals._encode(seal) for seal in said]
    whole = seals.MAGIC + b"".join(encoded)
    cut = data.draw(st.integers(len(seals.MAGIC), len(whole)))
    found, end = seals._decode(whole[:cut] + bytes(data.draw(st.integers(0, 300))))
    assert found == said[: len(found)]
    assert end == len(seals.MAGIC) + sum(map(len, encoded[: len(found)])) <= cut
    assert len(found) == len(said) or end + len(encoded[len(found)]) > cut


@given(st.lists(SEALS, min_size=1, max_size=4), st.data())
def test_a_changed_bit_ends_it(said: list[Seal], data: st.DataObject) -> None:
    whole = bytearray(seals.MAGIC + b"".join(map(seals._encode, said)))
    at = data.draw(st.integers(len(seals.MAGIC), len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    found, _ = seals._decode(bytes(whole))
    assert len(found) < len(said)
    assert found == said[: len(found)]


def test_the_last_word_counts_also_for_who_reads_it_anew(tmp_path: Path) -> None:
    said = [Seal(What.SEALED, KEY, 1, (bytes(32),)), Seal(What.SEALED, KEY, 2, (b"2" * 32,)), Seal(What.PLACED, b"o" * 16, 0)]
    with journal(tmp_path) as first:
        first.append(said[:1])
        first.append(said[1:])
    with journal(tmp_path) as again:
        assert again.get(KEY) == said[1]
        assert again.parts() == {KEY}
        again.append([Seal(What.FORGOTTEN, KEY)])
    with journal(tmp_path) as last:
        assert last.get(KEY) is None
        assert last.get(b"o" * 16) == said[2]


def test_what_is_no_journal_begins_anew(tmp_path: Path) -> None:
    (tmp_path / seals.NAME).write_bytes(b"something else, and long enough for a record")
    with journal(tmp_path) as begun:
        assert begun.parts() == set()
        begun.append([Seal(What.SEALED, KEY)])
    with journal(tmp_path) as again:
        assert again.parts() == {KEY}


def test_a_long_journal_is_written_anew_with_what_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seals, "MOST_PLACED", 10)
    placed = [Seal(What.PLACED, number.to_bytes(16, "big")) for number in range(50)]
    with journal(tmp_path) as first:
        first.append([Seal(What.SEALED, KEY, 1, (bytes(32),)), *placed])
    monkeypatch.setattr(seals, "COMPACT_BYTES", 1000)
    with journal(tmp_path) as again:
        assert again.parts() == {KEY}, "a part is never forgotten"
        assert [seal for seal in placed if again.get(seal.key)] == placed[-10:]
        again.append([Seal(What.SEALED, b"n" * 16)])
    with journal(tmp_path) as last:
        assert last.parts() == {KEY, b"n" * 16}
        assert last.get(placed[-1].key) == placed[-1]


def test_room_is_kept_for_the_next_word(tmp_path: Path) -> None:
    with journal(tmp_path) as made:
        for number in range(20):
            made.append([Seal(What.SEALED, number.to_bytes(16, "big"))] * 200)
            assert (tmp_path / seals.NAME).stat().st_size - made._end >= seals.LEAST_RESERVE
