from __future__ import annotations

import pytest
from pydantic import ValidationError

from appliance.management.operations.row import Arguments, Page, Verb


class Sized(Arguments):
    size: int
    ratio: float = 0.0


@pytest.mark.parametrize("size", [2**63 - 1, -(2**63)])
def test_a_number_may_have_64_bits(size: int) -> None:
    assert Sized(size=size, ratio=1e300).size == size


@pytest.mark.parametrize("size", [2**63, -(2**63) - 1])
def test_a_number_may_not_have_more(size: int) -> None:
    with pytest.raises(ValidationError, match="size needs more than 64 bits"):
        Sized(size=size)


def test_a_limit_that_is_too_large_is_cut() -> None:
    assert [Page(limit=limit).size for limit in (0, 7, 5000)] == [1, 7, 1000]


def test_a_body_comes_with_some_verbs() -> None:
    assert [verb for verb in Verb if verb.has_body] == ["POST", "PUT", "PATCH"]
