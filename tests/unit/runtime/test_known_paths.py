"""A hint that outlives a killed daemon."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.api.values import Endpoint
from appliance.runtime.peers import known_paths
from appliance.runtime.peers.known_paths import KnownPath, KnownPaths

HERE = Endpoint("udp", "::", 8443)
B, MOVED = KnownPath(HERE, Endpoint("udp", "2001:db8::2", 4711)), KnownPath(HERE, Endpoint("udp", "2001:db8::3", 4711))


def test_what_was_noted_is_recalled_until_forgotten(tmp_path: Path) -> None:
    paths = KnownPaths(tmp_path)
    paths.note("b", B)
    paths.note("c", B)
    paths.note("b", MOVED)
    paths.note("c", None)
    paths.note("nobody", None)
    assert known_paths.recall(tmp_path) == {"b": MOVED}
    paths.close()
    known_paths.forget(tmp_path)
    assert known_paths.recall(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_daemon_that_follows_begins_anew_with_its_first_note(tmp_path: Path) -> None:
    first, second = KnownPaths(tmp_path), KnownPaths(tmp_path)
    first.note("b", B)
    assert known_paths.recall(tmp_path) == {"b": B}
    second.note("c", B)
    assert known_paths.recall(tmp_path) == {"c": B}
    first.close()
    second.close()


def test_a_change_is_a_line_and_old_lines_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_paths, "OLD_LINES", 3)
    paths, file = KnownPaths(tmp_path), tmp_path / known_paths.FILE
    for number in range(100):
        paths.note("b", MOVED if number % 2 else B)
        paths.note("b", MOVED if number % 2 else B)
        assert len(file.read_text().splitlines()) <= 1 + 2 + 3
    assert known_paths.recall(tmp_path) == {"b": MOVED}
    paths.close()


def test_where_nothing_can_be_written_nothing_is_known(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    KnownPaths(tmp_path / "file").note("b", B)
    assert known_paths.recall(tmp_path / "file") == {}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '["b"', '["b", 3, 4]', '["b", "udp://x", "y"]', '{"b": 3}', "[[], 1, 2]", "\n\n"]
)
def test_damage_is_nothing_and_hides_nothing_else(tmp_path: Path, text: str) -> None:
    good = '["c", "udp://[::]:8443", "udp://[2001:db8::2]:4711"]\n'
    (tmp_path / known_paths.FILE).write_text(f"{good}{text}\n")
    assert known_paths.recall(tmp_path) == {"c": B}
