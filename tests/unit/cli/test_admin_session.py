"""Whose SSH connection it is, though sudo has taken the variable away."""

from __future__ import annotations

import os
from collections.abc import Mapping

from appliance.cli.admin_session import read_ancestor, ssh_connection

CONNECTION = "198.51.100.9 50000 192.0.2.1 22"


def test_the_variable_itself() -> None:
    assert ssh_connection({"SSH_CONNECTION": CONNECTION}, lambda pid: None) == CONNECTION


def test_an_ancestors_variable() -> None:
    above: list[tuple[int, Mapping[str, str]]] = [(300, {"SUDO_USER": "admin"}), (200, {"SSH_CONNECTION": CONNECTION})]
    assert ssh_connection({}, lambda pid: above.pop(0)) == CONNECTION


def test_none_on_a_console() -> None:
    assert ssh_connection({}, lambda pid: (1, {})) is None
    assert ssh_connection({}, lambda pid: None) is None


def test_a_process_is_read_from_proc() -> None:
    above = read_ancestor(os.getpid())
    assert above is not None
    assert above[0] == os.getppid()
    assert "PATH" in above[1]
    assert read_ancestor(2**22 + 1) is None
