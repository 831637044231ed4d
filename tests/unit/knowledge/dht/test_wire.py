"""Questions and answers as bytes: read as they were, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.knowledge.dht.wire import (
    MOST_BODY,
    MOST_UNDER,
    K,
    Kind,
    Packed,
    Type,
    Verdict,
    pack_answer,
    pack_records,
    read_answer,
    read_id,
    read_records,
    read_verdicts,
)
from appliance.knowledge.signed import FRAME_BYTES

SOME = bytes(FRAME_BYTES)
RECORDS = st.lists(st.builds(Packed, st.sampled_from(Type), st.binary(min_size=FRAME_BYTES, max_size=300)), max_size=6)


@given(RECORDS)
def test_records_travel(records: list[Packed]) -> None:
    assert read_records(pack_records(records)) == records


@given(
    st.lists(st.binary(min_size=32, max_size=32), max_size=K), st.lists(st.binary(min_size=FRAME_BYTES, max_size=300), max_size=6)
)
def test_answers_travel(contacts: list[bytes], records: list[bytes]) -> None:
    values = [Packed(Type.VALUE, record) for record in records]
    read = read_answer(pack_answer(contacts, values), Kind.VALUE)
    assert read is not None
    assert (read.contacts, read.records) == (contacts, values)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", Kind.FIND),
        (bytes((K + 1,)) + bytes(32 * (K + 1)), Kind.FIND),
        (bytes((2,)) + bytes(63), Kind.FIND),
        (pack_answer([], [Packed(Type.VALUE, SOME)]), Kind.FIND),
        (pack_answer([], [Packed(Type.VALUE, SOME)]), Kind.PROVIDERS),
        (pack_answer([], [Packed(Type.VALUE, SOME)])[:-1], Kind.VALUE),
        (pack_answer([], [Packed(Type.VALUE, SOME)] * (MOST_UNDER[Type.VALUE] + 1)), Kind.VALUE),
        (bytes((0, 3, 0, FRAME_BYTES)) + SOME, Kind.VALUE),
        (bytes((0, 1, 0, 5)) + bytes(5), Kind.VALUE),
        (bytes((0, 1)), Kind.VALUE),
        (bytes(MOST_BODY + 1), Kind.VALUE),
    ],
)
def test_what_is_no_answer_is_none(body: bytes, kind: Kind) -> None:
    assert read_answer(body, kind) is None


@given(st.binary(max_size=400), st.sampled_from(Kind), st.integers(0, 9))
def test_any_bytes_are_read_or_not_and_nothing_is_raised(body: bytes, kind: Kind, number: int) -> None:
    read_answer(body, kind)
    read_records(body)
    read_verdicts(body, number)
    read_id(body)


def test_a_verdict_for_each_record() -> None:
    assert read_verdicts(bytes((0, 3)), 2) == [Verdict.KEPT, Verdict.FULL]
    assert read_verdicts(bytes((0,)), 2) is None
    assert read_verdicts(bytes((0, 99)), 2) is None
