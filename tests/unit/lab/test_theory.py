from __future__ import annotations

import itertools
from typing import get_args

import pytest
from unit.lab.test_layout import WAN, laid_out

from appliance.lab.nat import Kind
from appliance.lab.theory import STRICTNESS, Outlook, kinds_before, outlook, share_a_wire

OPEN: list[Kind] = ["full-cone"]
BY_ADDRESS: list[Kind] = ["address-restricted"]
BY_PORT: list[Kind] = ["port-restricted"]
SYMMETRIC: list[Kind] = ["symmetric"]
BLOCKED: list[Kind] = ["udp-blocked"]
KINDS = [OPEN, BY_ADDRESS, BY_PORT, SYMMETRIC, BLOCKED]
TABLE = """\
YYYYn
YYYYn
YYY?n
YY??n
nnnnn
"""
"""Measured by punching between each two on the kernel's NATs; ? only by guessing ports."""
MEANS = {"Y": Outlook.SURE, "?": Outlook.BY_CHANCE, "n": Outlook.NONE}


def test_every_kind_has_its_strictness() -> None:
    assert set(STRICTNESS) == set(get_args(Kind))


@pytest.mark.parametrize(("row", "column"), list(itertools.product(range(5), repeat=2)))
def test_who_gets_through_to_whom(row: int, column: int) -> None:
    assert outlook(KINDS[row], KINDS[column]) is MEANS[TABLE.splitlines()[row][column]]


def test_of_several_in_a_row_the_strictest_counts() -> None:
    assert outlook([], ["symmetric", "full-cone"]) is Outlook.SURE
    assert outlook(BY_PORT, ["full-cone", "symmetric"]) is Outlook.BY_CHANCE
    assert outlook(BY_PORT, ["full-cone", "cgnat"]) is Outlook.SURE


def test_what_lies_between_a_host_and_the_internet_follows_from_the_layout() -> None:
    layout = laid_out([WAN], a=["plain", "cgnat"])
    assert kinds_before(layout, "a") == ["plain", "cgnat"]
    assert kinds_before(layout, "hub") == []
    assert not share_a_wire(layout, "a", "hub")
    assert share_a_wire(laid_out([WAN]), "a", "hub")
