"""Each way in which a host forbids namespaces has a sentence that names what allows them."""

from __future__ import annotations

import errno

import pytest

from appliance.runtime.rootless.obstacles import APPARMOR, CLONE, NETWORKS, USERS, Known, network_remedy, users_remedy

OPEN = {USERS: "96365", NETWORKS: "96365"}
"""Debian 12."""
UBUNTU = Known(OPEN | {CLONE: "1", APPARMOR: "1"})
"""Ubuntu 24.04."""


@pytest.mark.parametrize(
    ("code", "known", "says"),
    [
        (errno.ENOSPC, Known({USERS: "0"}), f"sysctl -w {USERS}=10000"),
        (errno.ENOSPC, Known(OPEN), f"raise {USERS}, which is 96365"),
        (errno.EUSERS, Known(OPEN), "33rd"),
        (errno.EINVAL, Known(OPEN), "thread"),
        (errno.EPERM, Known(OPEN | {CLONE: "0"}), f"sysctl -w {CLONE}=1"),
        (errno.EACCES, UBUNTU, f"sysctl -w {APPARMOR}=0"),
        (errno.EPERM, Known(OPEN, filtered=True), "--security-opt seccomp=unconfined --device /dev/net/tun"),
        (errno.EPERM, Known(OPEN), "chroot"),
    ],
)
def test_what_allows_a_user_namespace(code: int, known: Known, says: str) -> None:
    assert says in users_remedy(code, known)


@pytest.mark.parametrize(
    ("code", "known", "says"),
    [
        (errno.EPERM, UBUNTU, f"sysctl -w {APPARMOR}=0"),
        (errno.ENOSPC, Known({NETWORKS: "3"}), f"raise {NETWORKS}, which is 3"),
        (errno.EPERM, Known(OPEN, filtered=True), "Podman"),
        (errno.EPERM, Known(OPEN), "security module"),
    ],
)
def test_what_allows_a_network_namespace(code: int, known: Known, says: str) -> None:
    assert says in network_remedy(code, known)
