"""A hint that outlives a killed daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.api.values import Endpoint
from appliance.runtime.peers import known_paths
from appliance.runtime.peers.known_paths import KnownPath

PATHS = {"b": KnownPath(Endpoint("udp", "::", 8443), Endpoint("udp", "2001:db8::2", 4711))}


def test_what_was_remembered_is_recalled_until_forgotten(tmp_path: Path) -> None:
    known_paths.remember(tmp_path, PATHS)
    assert known_paths.recall(tmp_path) == PATHS
    known_paths.forget(tmp_path)
    assert known_paths.recall(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"b": 3}', '{"b": ["udp://x", "y"]}'])
def test_damage_is_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / known_paths.FILE).write_text(text)
    assert known_paths.recall(tmp_path) == {}
