from __future__ import annotations

from pathlib import Path

import pytest

from appliance.profile import load
from appliance.profile.member_starter import member_starter

NETWORK = "llpn1:" + "a" * 52
IDENTITY = "llp1:" + "a" * 52


@pytest.mark.parametrize("name", ["laptop", "yes", "1e3", "0x10"])
@pytest.mark.parametrize("bootstrap", [None, {IDENTITY: ["udp://198.51.100.7:8443", "tcp://[2001:db8::1]:8443"]}])
def test_it_is_valid_as_it_is(tmp_path: Path, name: str, bootstrap: dict[str, list[str]] | None) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text(member_starter(name, "file:/etc/appliance/identity", NETWORK, "home", bootstrap))
    profile = load([path], environ={}).profile
    assert profile.name == name
    assert profile.mesh is not None
    assert (profile.mesh.network, profile.mesh.label) == (NETWORK, "home")
    assert [entry.identity for entry in profile.mesh.bootstrap] == ([IDENTITY] if bootstrap else [])
