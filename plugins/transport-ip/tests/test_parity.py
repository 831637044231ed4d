"""Records with parity: any one datagram of a column may be lost."""

from __future__ import annotations

import functools
import operator
import random
from collections import Counter
from collections.abc import Iterable
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rigs.datagrams import crc16

from appliance.api.datagrams.fragments import FRAGMENT, HEADER, PARITY, SPANS, Cutter, lines_of
from appliance.api.datagrams.joining import Joiner, first_header

FLAGS = {span: flags for flags, span in SPANS.items()}


def record(number: int, body: bytes, span: int) -> bytes:
    flags = FRAGMENT | FLAGS[span]
    fields = b"\x4c\x31\x01" + bytes([flags]) + b"\0\0\5\0" + (number << 8).to_bytes(8, "big") + b"\0\0\0\1"
    fields += len(body).to_bytes(2, "big")
    return fields + crc16(fields).to_bytes(2, "big") + body


def pieces_of(whole: bytes, span: int, datagram: int = 1400) -> list[bytes]:
    buffer = memoryview(bytearray(b"\xee" * 131200))
    buffer[: len(whole)] = whole
    data = b"".join(Cutter(buffer, datagram).cut_with_parity(len(whole) - HEADER, span))
    assert len(data) % datagram == 0
    return [data[at : at + datagram] for at in range(0, len(data), datagram)]


def exclusive_or(pieces: Iterable[bytes]) -> bytes:
    return bytes(functools.reduce(operator.xor, octets) for octets in zip(*pieces, strict=True))


class Far:
    """A joiner and what it made whole."""

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()
        self.joiner = Joiner(self._drop)
        self.records: list[bytes] = []

    def _drop(self, reason: str, count: int) -> None:
        self.dropped[reason] += count

    def take(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            done = self.joiner.add(None, piece[:HEADER], memoryview(piece)[HEADER:])
            if done is not None:
                self.records.append(done[0] + bytes(done[1]))


@given(size=st.integers(1377, 65535), span=st.sampled_from(sorted(FLAGS)), datagram=st.sampled_from([548, 1252, 1400]))
def test_datagrams_are_full_numbered_and_summed(size: int, span: int, datagram: int) -> None:
    whole = record(3, random.Random(size).randbytes(size), span)
    pieces = pieces_of(whole, span, datagram)
    count = -(-size // (datagram - HEADER))
    lines = lines_of(count, span)
    assert [piece[15] for piece in pieces] == [*range(count), *range(PARITY, PARITY + len(lines))]
    assert all(int.from_bytes(piece[22:24], "big") == crc16(piece[:22]) for piece in pieces)
    assert b"".join(piece[HEADER:] for piece in pieces[:count]) == whole[HEADER:].ljust(count * (datagram - HEADER), b"\0")
    for line, parity in zip(lines, pieces[count:], strict=True):
        assert exclusive_or(pieces[number][HEADER:] for number in line) == parity[HEADER:]


@pytest.mark.parametrize("span", sorted(FLAGS))
def test_any_one_datagram_may_be_lost(span: int) -> None:
    whole = record(1, random.Random(span).randbytes(30000), span)
    pieces = pieces_of(whole, span)
    for lost in range(len(pieces)):
        far = Far()
        far.take(pieces[:lost] + pieces[lost + 1 :])
        assert far.records == [whole]
        assert not far.dropped


def test_one_of_each_column_may_be_lost_at_once() -> None:
    whole = record(1, random.Random(8).randbytes(60000), 8)
    pieces = pieces_of(whole, 8)
    far = Far()
    far.take(pieces[len(lines_of(44, 8)) :])
    assert far.records == [whole]


def test_two_of_a_column_are_too_many() -> None:
    span, whole = 4, record(1, random.Random(4).randbytes(11008), 4)
    pieces = pieces_of(whole, span)
    for lost in combinations(range(8), 2):
        far = Far()
        far.take([piece for number, piece in enumerate(pieces) if number not in lost])
        assert far.records == ([whole] if lost[0] % 2 != lost[1] % 2 else [])


@given(lost=st.sets(st.integers(0, 59), max_size=3), seed=st.integers(0, 99))
def test_rows_and_columns_mend_any_two_and_nearly_any_three_lost_at_once(lost: set[int], seed: int) -> None:
    whole = record(1, random.Random(seed).randbytes(46 * 1376 - seed), 4)
    pieces = pieces_of(whole, 4)
    assert len(pieces) == 46 + 8 + 6
    far = Far()
    far.take([piece for number, piece in enumerate(pieces) if number not in lost])
    corner = any({hole, 46 + hole % 8, 54 + hole // 8} <= lost for hole in range(46))
    assert far.records == ([] if corner else [whole])


def test_a_path_that_loses_three_in_a_hundred_loses_hardly_a_long_record() -> None:
    chance = random.Random(7)
    far = Far()
    for number in range(600):
        pieces = pieces_of(record(number, bytes(46 * 1376), 4), 4)
        far.take([piece for piece in pieces if chance.random() >= 0.03])
    assert len(far.records) > 600 * 0.99


@given(st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(shuffler: random.Random) -> None:
    wholes = [record(number, random.Random(number).randbytes(9000), 8) for number in range(3)]
    pieces = [piece for whole in wholes for piece in pieces_of(whole, 8)]
    pieces += shuffler.sample(pieces, 5)
    shuffler.shuffle(pieces)
    far = Far()
    far.take(pieces)
    assert sorted(far.records) == sorted(wholes)
    assert not far.dropped


def test_what_comes_late_of_a_finished_record_begins_none() -> None:
    whole = record(1, bytes(9000), 8)
    far = Far()
    far.take(pieces_of(whole, 8) * 2)
    assert far.records == [whole]
    assert far.joiner._partial == {}


def test_arrivals_tell_what_was_lost() -> None:
    far = Far()
    for number in range(50):
        pieces = pieces_of(record(number, bytes(50000), 8), 8)
        del pieces[number % len(pieces)]
        far.take(pieces)
    total = 50 * (37 + 5)
    assert (far.joiner.seen, far.joiner.expected) == (total - 50, total)


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 1500), st.integers(0, 65535)), max_size=20))
def test_fragments_that_contradict_each_other_raise_nothing(odd: list[tuple[int, int, int, int]]) -> None:
    far = Far()
    for number, flags, size, length in odd:
        fields = b"\x4c\x31\x01" + bytes([flags]) + bytes(11) + bytes([number]) + bytes(4) + length.to_bytes(2, "big")
        far.take([fields + crc16(fields).to_bytes(2, "big") + bytes(size)])
    for whole in far.records:
        assert len(whole) - HEADER == int.from_bytes(whole[20:22], "big")


def test_every_fragment_tells_the_header_the_record_was_sealed_under() -> None:
    whole = record(1, bytes(9000), 8)
    assert {first_header(piece[:HEADER]) for piece in pieces_of(whole, 8)} == {whole[:HEADER]}
