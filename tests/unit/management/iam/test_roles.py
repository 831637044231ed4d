"""Roles bundle permissions, and a profile adds roles but changes none."""

from __future__ import annotations

from appliance.management.iam.roles import ADMIN, BUILT_IN, PERMISSIONS, covers, known_roles, permissions_of, permits
from appliance.management.operations.table import ROWS


def test_a_viewer_looks_and_changes_nothing() -> None:
    assert permits(["viewer"], "node.read")
    assert not permits(["viewer"], "node.change")


def test_an_operator_changes_the_node_and_no_users() -> None:
    assert permits(["operator"], "node.change")
    assert not permits(["operator"], "users.manage")


def test_an_admin_may_what_a_plugin_wants() -> None:
    assert permits([ADMIN], "lights.switch")
    assert not permits(["operator"], "lights.switch")


def test_nobody_but_the_api_server_adds_to_the_audit_log() -> None:
    assert not permits([ADMIN], "audit.add")


def test_a_profile_adds_roles() -> None:
    added = {"inviter": ["enrolment.invite"], "viewer": ["node.change"]}
    assert permits(["inviter"], "enrolment.invite", added)
    assert not permits(["inviter"], "node.read", added)
    assert not permits(["viewer"], "node.change", added), "a role that is always there is what it always was"


def test_an_unknown_role_permits_nothing() -> None:
    assert not any(permits(["emperor"], permission) for permission in PERMISSIONS)


def test_each_permission_of_the_table_is_told() -> None:
    assert {row.permission for row in ROWS} - {"", "self"} <= set(PERMISSIONS)
    assert set().union(*BUILT_IN.values()) <= set(PERMISSIONS)


def test_roles_cover_what_they_may_themselves() -> None:
    added = {"inviter": ["enrolment.invite"], "lamp": ["lights.switch"]}
    assert covers(["operator"], ["viewer", "inviter"], added)
    assert covers([ADMIN], [ADMIN, "lamp"], added)
    assert not covers(["viewer"], ["operator"], added)
    assert not covers(["operator"], [ADMIN], added)
    assert not covers([*BUILT_IN.keys() - {ADMIN}, "inviter", "lamp"], [ADMIN], added), "an admin may what is not written down"
    assert covers([], ["emperor"], added), "a role that nobody knows may nothing"


def test_all_roles_are_listed_and_their_permissions() -> None:
    added = {"lamp": ["lights.switch"], "viewer": ["node.change"]}
    assert known_roles(added) == [ADMIN, "lamp", "operator", "viewer"]
    assert permissions_of(["lamp"], added) == {"lights.switch"}
    assert permissions_of(["viewer"], added) == BUILT_IN["viewer"]
    assert "lights.switch" in permissions_of([ADMIN], added)
