from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.members.parcel import MAX_PARCEL_BYTES, pack_parcel, parcels, read_parcel
from appliance.members.statement import StatementRefused

STATEMENTS = st.lists(st.binary(min_size=1, max_size=6000), max_size=12)


@given(STATEMENTS)
def test_all_of_them_come_in_order_and_fit(statements: list[bytes]) -> None:
    filled = list(parcels(statements))
    assert [each for parcel in filled for each in read_parcel(pack_parcel(parcel))] == statements
    assert all(len(pack_parcel(parcel)) <= MAX_PARCEL_BYTES for parcel in filled)
    assert all(filled), "none is empty"


@given(st.binary(max_size=200))
def test_any_bytes_are_a_parcel_or_refused(body: bytes) -> None:
    try:
        found = list(read_parcel(body))
    except StatementRefused:
        return
    assert pack_parcel(found) == body


@pytest.mark.parametrize("body", [b"\0", b"\0\2x", b"\0\1x\0"])
def test_what_is_cut_off_is_refused(body: bytes) -> None:
    with pytest.raises(StatementRefused):
        list(read_parcel(body))
