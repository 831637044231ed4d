"""Who may control the daemon."""

from __future__ import annotations

import grp
import os
import socket

import pytest

from appliance.api.management import Principal, Verdict
from appliance.control.callers import Judge, may, principal_of

ROOT = Principal("local", "root", 0, 0, 1)
STRANGER = Principal("local", "nobody", 65533, 65533, 1)


def verdict(*said: Verdict) -> Judge:
    return lambda _principal, _permission, _target, _failed: said


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
    assert may(principal, "node.change", "reload", group=None, judge=verdict(*said)) is answer


@pytest.mark.parametrize("target", ["status", "health", "confirm", "rollback", "stop"])
def test_root_is_never_refused_what_brings_the_host_back(target: str) -> None:
    assert may(ROOT, "node.change", target, group=None, judge=verdict(Verdict.DENY))
    assert not may(STRANGER, "node.change", target, group=None, judge=verdict(Verdict.DENY))


def test_a_plugin_that_fails_denies_it_to_all_but_root() -> None:
    def fails(_principal: Principal, _permission: str, _target: str, failed: Verdict | None) -> list[Verdict]:
        return [Verdict.ALLOW] if failed is None else [Verdict.ALLOW, failed]

    assert may(ROOT, "node.change", "reload", group=None, judge=fails)
    assert not may(STRANGER, "node.change", "reload", group=None, judge=fails)


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
