"""Two nodes keep each other's heads, and one of them is found out."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.control import client
from tests.netns.daemons import pair

pytestmark = pytest.mark.netns


def test_a_log_that_was_cut_off_is_found_out_by_the_peer(tmp_path: Path) -> None:
    with pair(tmp_path) as (one, two):
        one.write(two, more="audit: {}")
        two.write(one, endpoints='"udp://192.0.2.1:8443"', more="audit: {}")
        for host in (one, two):
            host.start()
        assert one.pings("10.8.0.2")
        while not one.namespace.run(kept_by_the_peer):
            pass
        verified = one.command("audit", "verify", "--ask", "other")
        assert "good: " in verified.stdout
        assert "kept elsewhere" in verified.stdout
        one.stop()
        (log,) = one.kept.glob("*.audit/00000001.audit")
        (log.parent / "head.json").unlink()
        log.write_bytes(log.read_bytes().splitlines(keepends=True)[0])
        one.start()
        assert one.pings("10.8.0.2")
        while not one.namespace.run(kept_by_the_peer):
            pass
        found = one.command("audit", "verify", "--ask", "other")
        assert (found.returncode, "a head knows" in found.stdout) == (1, True), found.stdout + found.stderr
        two.stop()
        one.stop()


def kept_by_the_peer() -> bool:
    """Does the peer have a head? It gets one soon after it is connected."""
    try:
        return bool(client.call("audit_heads", {"peer": "other"})["heads"])
    except client.ControlError:
        return False
