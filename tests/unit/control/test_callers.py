"""Who is at the other end of the control socket."""

from __future__ import annotations

import grp
import os
import pwd
import socket

import pytest

from appliance.api.management import Principal
from appliance.control.callers import is_member, named, nameless
from appliance.linux import namespaces


def test_the_kernel_says_who_is_there() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        principal = nameless(ours)
    assert (principal.uid, principal.gid, principal.pid) == (os.geteuid(), os.getegid(), os.getpid())
    assert principal.name == str(os.geteuid())
    assert named(principal).name == pwd.getpwuid(os.geteuid()).pw_name
    assert named(principal._replace(uid=4_000_000)).name == "4000000"


def test_a_member_of_a_group_is_so_by_its_process_or_its_user() -> None:
    group = grp.getgrall()[0]
    stranger = Principal("local", "nobody", 65533, 65533, 1)
    assert is_member(stranger._replace(gid=group.gr_gid), group.gr_name)
    assert not is_member(stranger, group.gr_name)
    assert not is_member(stranger, "no-such-group")


def test_whom_the_kernel_cannot_name_is_in_no_group(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = grp.getgrgid(65534).gr_name
    everybody_else = Principal("local", "nobody", 65534, 65534, 1)
    assert is_member(everybody_else, nobody)
    monkeypatch.setattr(namespaces, "first_user", lambda: os.geteuid() or 54321)  # as in a user namespace without root
    assert not is_member(everybody_else, nobody)
