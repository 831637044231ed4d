from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.management.iam import federated, users

NUMBER = "0f" * 12


def first(proposed: str) -> str:
    return next(federated.names(proposed, NUMBER))


@pytest.mark.parametrize(
    ("proposed", "name"),
    [
        ("alice", "alice"),
        ("Alice Müller", "alice-m-ller"),
        ("alice@example.org", "alice"),
        ("../../etc", "etc"),
        ("4711", "user"),
        ("", "user"),
        ("root", "user-root"),
        ("uid-0", "user-uid-0"),
        ("profile", "user-profile"),
        ("x" * 300, "x" * 50),
    ],
)
def test_a_name_that_is_proposed_becomes_one_by_the_rules(proposed: str, name: str) -> None:
    assert first(proposed) == name


@given(st.text())
def test_whatever_is_proposed_each_name_is_one_and_none_comes_twice(proposed: str) -> None:
    tried = list(federated.names(proposed, NUMBER))
    assert [users.judged_name(name) for name in tried] == tried
    assert len(set(tried)) == len(tried) == federated.MOST_NAMES + 1
    assert NUMBER in tried[-1]


def test_names_that_are_taken_are_counted_on() -> None:
    assert list(islice(federated.names("alice", NUMBER), 3)) == ["alice", "alice-2", "alice-3"]


def test_groups_bring_the_roles_of_the_profile_and_nothing_else() -> None:
    by_group = {"staff": ["viewer"], "heads": ["operator", "viewer"], "*": ["guest"]}
    assert federated.roles_of(["staff", "heads"], by_group) == {"viewer", "operator", "guest"}
    assert federated.roles_of(["admin", "Staff"], by_group) == {"guest"}
    assert federated.roles_of(["admin"], {}) == frozenset()


def test_a_subject_is_somebody_else_at_another_log_in() -> None:
    assert len({federated.key_of(*each) for each in (("a", "1"), ("b", "1"), ("a", "2"), ("a", "\ud800"))}) == 4
