"""What a user may be called and be."""

from __future__ import annotations

import pytest

from appliance.management.iam.roles import known_roles
from appliance.management.iam.users import (
    State,
    User,
    UserRefused,
    ends_sessions,
    is_admin,
    judged_display,
    judged_email,
    judged_name,
    judged_roles,
)

ALICE = User("a1", "alice", "$argon2id$…", ("operator",), 1, 1, totp="SECRET", recovery=("digest",))


@pytest.mark.parametrize("name", ["a", "alice", "alice.b-c_d", "a1", "a" * 63])
def test_names(name: str) -> None:
    assert judged_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "1a", "Alice", "a" * 64, "a-", ".a", "a b", "a\n", "а", "a/b", "../x", "a\0", "\ud800", "a" * 10**6, "profile"]
)
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(UserRefused):
        judged_name(name)


@pytest.mark.parametrize("name", ["root", "host", "api-server", "uid-0", "uid-1000", "uid-x"])
def test_nobody_takes_the_name_of_somebody_who_is_no_user(name: str) -> None:
    with pytest.raises(UserRefused, match="no user"):
        judged_name(name)


def test_addresses_and_display_names_by_their_form() -> None:
    assert judged_email("") == ""
    assert judged_email("alice@example.org") == "alice@example.org"
    assert judged_display(" Alice Böhm ") == "Alice Böhm"
    for email in ("alice", "a@", "@b", "a b@c", "a@b\r\nBcc: c@d", "a@" + "b" * 300):
        with pytest.raises(UserRefused):
            judged_email(email)
    for display in ("a" * 101, "a\nb", "\x1b[31m", "\u202e"):
        with pytest.raises(UserRefused):
            judged_display(display)


def test_roles_are_known_and_each_is_there_once() -> None:
    known = known_roles({"inviter": ["enrolment.invite"]})
    assert judged_roles(["viewer", "inviter", "viewer"], known) == ("inviter", "viewer")
    assert judged_roles([], known) == ()
    for roles in (["emperor"], ["admin "], ["viewer"] * 33):
        with pytest.raises(UserRefused):
            judged_roles(roles, known)


def test_an_admin_who_may_not_come_in_is_none() -> None:
    admin = ALICE._replace(roles=("admin",))
    assert is_admin(admin)
    assert not is_admin(ALICE)
    assert not any(is_admin(admin._replace(state=state)) for state in (State.LOCKED, State.DISABLED))


@pytest.mark.parametrize("change", [{"password": "other"}, {"totp": ""}, {"state": State.LOCKED}])
def test_what_ends_sessions(change: dict[str, str]) -> None:
    assert ends_sessions(ALICE, ALICE._replace(**change)).epoch == ALICE.epoch + 1  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"roles": ("viewer",)}, {"display": "A"}, {"totp_used": 5}, {"recovery": ()}])
def test_what_does_not(change: dict[str, object]) -> None:
    assert ends_sessions(ALICE, ALICE._replace(**change)).epoch == ALICE.epoch  # type: ignore[arg-type]


def test_a_user_who_is_printed_says_no_secret() -> None:
    assert all(secret not in repr(ALICE) for secret in (ALICE.password, ALICE.totp, ALICE.recovery[0]))
