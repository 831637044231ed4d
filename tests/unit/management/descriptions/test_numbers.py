from __future__ import annotations

import pytest

from appliance.management.descriptions.numbers import numbers


def test_what_was_given_stays_and_is_given_once() -> None:
    known = numbers('{"Thing": {"name": 1, "gone": 2}}')
    assert known.of("Thing", ["kind", "name"]) == {"name": 1, "gone": 2, "kind": 3}
    assert known.of("Other", ["a", "b"]) == {"a": 1, "b": 2}
    again = numbers(known.text())
    assert again.of("Thing", ["another"])["another"] == 4
    assert again.text().startswith('{\n "Other"')


def test_the_formats_own_numbers_are_left_out() -> None:
    assert numbers('{"Thing": {"last": 18999}}').of("Thing", ["next"])["next"] == 20000


def test_two_fields_of_one_number_are_a_merge_that_went_wrong() -> None:
    with pytest.raises(ValueError, match="Thing: two fields have one number"):
        numbers('{"Thing": {"a": 1, "b": 1}}')
