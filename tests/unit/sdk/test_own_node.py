"""A node of a program's own that does not start says why. (That one starts: tests/netns/test_rootless.py.)"""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.sdk.own_node import NodeNotStarted, OwnNode


async def test_what_the_node_says_before_it_ends_is_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere")  # of a service manager, which is told nothing of this node
    profile = tmp_path / "profile.yaml"
    profile.write_text("profile: 1\nnetwork: {mtu: 12}\n")
    node = OwnNode(profile)
    with pytest.raises(NodeNotStarted, match="mtu"):
        await node.start()
    await node.stop()
    with pytest.raises(NodeNotStarted, match=r"nowhere\.yaml"):
        async with OwnNode(tmp_path / "nowhere.yaml"):
            pass


async def test_its_control_socket_is_known_before_it_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path / "state"))
    assert OwnNode(instance="two").address == str(tmp_path / "state@two.control")
