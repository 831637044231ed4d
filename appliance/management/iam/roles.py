"""Permissions, and roles that bundle them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final

PERMISSIONS: Final[Mapping[str, str]] = {
    "node.read": "look at the node: status, peers, figures, events",
    "node.change": "change the node: reload, confirm, roll back, stop",
    "node.plan": "see what the profile on disk would change",
    "node.debug": "profile the running node",
    "knowledge.read": "look up what members know together: records, tags, topics",
    "knowledge.write": "put records, register tags, publish to topics",
    "enrolment.invite": "invite members to the network, and take invitations back",
    "stream.open": "open streams to services of peers",
    "stream.serve": "serve streams to peers",
    "events.broadcast": "say something to all who follow events",
    "figures.read": "read figures over time, and what is unusual in them",
    "jobs.read": "look at templates and jobs",
    "jobs.run": "run templates as jobs, and cancel them",
    "reviews.read": "read reviews of plans",
    "reviews.write": "ask for reviews, and comment",
    "reviews.approve": "approve and reject plans of others",
    "users.manage": "add, change and remove users and invitations",
    "tokens.manage": "list and revoke the API tokens of all users",
    "audit.read": "read the audit log",
    "store.manage": "look after the API server's store",
    "server.manage": "look after the API server itself: its certificate",
}
"""What a permission lets its holder do. Plugins' operations may want others."""

_VIEWER: Final = frozenset({"node.read", "knowledge.read", "figures.read", "jobs.read", "reviews.read"})
_OPERATOR: Final = _VIEWER | {
    "node.change",
    "node.plan",
    "knowledge.write",
    "enrolment.invite",
    "events.broadcast",
    "stream.open",
    "stream.serve",
    "jobs.run",
    "reviews.write",
    "reviews.approve",
}
ADMIN: Final = "admin"
"""The role that has every permission, those of plugins too."""
OF_THE_API_SERVER: Final[Mapping[str, str]] = {
    "api.serve": "answer for the node",
    "audit.add": "add entries to the audit log",
}
"""Permissions that no role brings: they are the API server's own."""
BUILT_IN: Final[Mapping[str, frozenset[str]]] = {
    "viewer": _VIEWER,
    "operator": _OPERATOR,
    ADMIN: frozenset(PERMISSIONS),
}
"""Roles that are always there; the profile's `management.roles` add to them and change none."""


def permits(roles: Collection[str], permission: str, added: Mapping[str, Collection[str]] = MappingProxyType({})) -> bool:
    """May somebody with these roles do that? `added`: roles of the profile, by name. Roles that nobody knows permit nothing."""
    if permission in OF_THE_API_SERVER:
        return False
    if ADMIN in roles:
        return True
    return any(
        permission in BUILT_IN.get(role, ()) or (role not in BUILT_IN and permission in added.get(role, ())) for role in roles
    )


def known_roles(added: Mapping[str, Collection[str]] = MappingProxyType({})) -> list[str]:
    """The names of all roles."""
    return sorted({*BUILT_IN, *added})


def permissions_of(roles: Collection[str], added: Mapping[str, Collection[str]] = MappingProxyType({})) -> frozenset[str]:
    """All permissions that these roles have by name. An admin may those of plugins too, which have no name here."""
    named = {*PERMISSIONS, *(permission for bundle in added.values() for permission in bundle)}
    return frozenset(permission for permission in named if permits(roles, permission, added))


def covers(roles: Collection[str], others: Collection[str], added: Mapping[str, Collection[str]] = MappingProxyType({})) -> bool:
    """May `roles` do everything that `others` may?"""
    return ADMIN in roles or (ADMIN not in others and permissions_of(others, added) <= permissions_of(roles, added))
