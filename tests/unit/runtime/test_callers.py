"""Who may control the daemon."""

from __future__ import annotations

import grp
import os
import socket

import pytest

from appliance.api.management import Principal, Verdict
from appliance.runtime.callers import Judge, may, principal_of

ROOT = Principal("local", "root", 0, 0, 1)
STRANGER = Principal("local", "nobody", 65533, 65533, 1)


def verdict(*said: Verdict) -> Judge:
    return lambda _principal, _permission, _target: said


@pytest.mark.parametrize(
    ("principal", "said", "answer"),
    [
        (ROOT, (), True),
        (STRANGER, (), False),
        (STRANGER, (Verdict.ALLOW,), True),
        (ROOT, (Verdict.DENY,), False),
        (ROOT, (Verdict.ALLOW, Verdict.DENY), False),
    ],
)
def test_root_may_and_plugins_have_a_say(principal: Principal, said: tuple[Verdict, ...], answer: bool) -> None:
    assert may(principal, "node.read", "status", group=None, judge=verdict(*said)) is answer


def test_members_of_the_group_may() -> None:
    group = grp.getgrall()[0]
    member = STRANGER._replace(gid=group.gr_gid)
    assert may(member, "node.read", "status", group=group.gr_name, judge=verdict())
    assert not may(member, "node.read", "status", group="no-such-group", judge=verdict())


def test_the_kernel_says_who_is_there() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        principal = principal_of(ours)
    assert (principal.uid, principal.gid, principal.pid) == (os.geteuid(), os.getegid(), os.getpid())
