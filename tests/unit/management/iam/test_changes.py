"""Nobody gives what he does not have, nobody takes from who has more, and the last admin stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from appliance.management.iam.changes import Actor, NotPermitted, admins_after, may_change, may_give, may_scope, not_himself
from appliance.management.iam.users import LastAdmin, State, User

ADDED = {"clerk": ["users.manage", "node.read", "self"], "lamp": ["lights.switch"]}
ADMIN = Actor("root", ("admin",))
CLERK = Actor("clerk", ("clerk",))
ROBOT = Actor("root", ("admin",), scopes=("users.manage", "node.read"))
"""A program of an admin, whose token may less than he."""


def user(name: str, *roles: str) -> User:
    return User(name, name, "", roles, 1, 1)


def refused(rule: Callable[..., None], *arguments: Any) -> bool:
    with pytest.raises(NotPermitted):
        rule(*arguments, ADDED)
    return True


def test_an_admin_gives_what_he_wants() -> None:
    may_give(ADMIN, ["admin", "lamp", "viewer"], ADDED)
    may_change(ADMIN, user("other", "admin"), ADDED)


def test_who_manages_users_gives_no_more_than_he_has() -> None:
    may_give(CLERK, ["clerk"], ADDED)
    may_give(CLERK, [], ADDED)
    assert all(refused(may_give, CLERK, [role]) for role in ("admin", "operator", "viewer", "lamp"))


def test_nor_changes_who_may_more_and_thereby_becomes_him() -> None:
    may_change(CLERK, user("other", "clerk"), ADDED)
    may_change(CLERK, user("clerk", "clerk"), ADDED)
    assert refused(may_change, CLERK, user("root", "admin"))
    assert refused(may_change, CLERK, user("worker", "operator"))


def test_a_program_gives_no_more_than_its_token() -> None:
    may_give(ROBOT, [], ADDED)
    may_give(ROBOT, ["nothing-known"], ADDED)
    assert all(refused(may_give, ROBOT, [role]) for role in ("admin", "operator", "viewer"))
    assert refused(may_change, ROBOT, user("other", "operator"))
    assert refused(may_change, ROBOT, user("root", "admin")), "not even its owner: it would become him by a new password"


def test_a_token_may_no_more_than_who_makes_it() -> None:
    may_scope(ADMIN, ["node.change", "lights.switch", "self"], ADDED)
    may_scope(CLERK, ["users.manage", "self"], ADDED)
    may_scope(ROBOT, ["node.read"], ADDED)
    assert refused(may_scope, CLERK, ["node.change"])
    assert refused(may_scope, CLERK, ["node.read", "audit.add"])
    assert refused(may_scope, ADMIN, ["audit.add"]), "that is the API server's own"
    assert refused(may_scope, ROBOT, ["node.change"])
    assert refused(may_scope, ROBOT, ["self"]), "a program makes no tokens unless it was made for that"


def test_nobody_sets_his_own_password_without_the_old_one() -> None:
    not_himself(ADMIN, user("other", "admin"))
    not_himself(Actor("", ("admin",)), user("root", "admin"))
    with pytest.raises(NotPermitted):
        not_himself(ADMIN, user("root", "admin"))


def test_the_last_admin_stays_one() -> None:
    root, other = user("root", "admin"), user("other", "admin")
    assert admins_after([], None, root) == ["root"]
    assert admins_after(["root"], None, other) == ["other", "root"]
    assert admins_after(["root", "other"], root, None) == ["other"]
    assert admins_after(["root", "other"], root, root._replace(roles=())) == ["other"]
    for after in (None, root._replace(roles=("operator",)), root._replace(state=State.LOCKED)):
        with pytest.raises(LastAdmin):
            admins_after(["root"], root, after)


def test_others_come_and_go() -> None:
    assert admins_after(["root"], user("alice"), None) == ["root"]
    assert admins_after(["root"], user("alice"), user("alice", "admin")) == ["alice", "root"]
