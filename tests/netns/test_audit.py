"""Two nodes keep each other's heads, and one of them is found out."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.netns.daemons import Host, pair

pytestmark = pytest.mark.netns


def test_a_log_that_was_cut_off_is_found_out_by_the_peer(tmp_path: Path) -> None:
    with pair(tmp_path) as (one, two):
        one.write(two, more="audit: {}")
        two.write(one, endpoints='"udp://192.0.2.1:8443"', more="audit: {}")
        for host in (one, two):
            host.start()
        assert one.pings("10.8.0.2")
        verified = asked(one, 0)  # the peer has a head soon after it is connected
        assert "good: " in verified.stdout
        assert "kept elsewhere" in verified.stdout
        one.stop()
        (log,) = one.kept.glob("*.audit/00000001.audit")
        (log.parent / "head.json").unlink()
        log.write_bytes(log.read_bytes().splitlines(keepends=True)[0])
        one.start()
        assert one.pings("10.8.0.2")
        assert "a head knows" in asked(one, 1).stdout
        two.stop()
        one.stop()


def asked(host: Host, code: int) -> subprocess.CompletedProcess[str]:
    """What it finds when it asks the peer, once the peer answers."""
    while (verified := host.command("audit", "verify", "--ask", "other")).returncode != code:
        assert "keeps no heads" in verified.stderr or "gives no heads" in verified.stderr, verified.stdout + verified.stderr
    return verified
