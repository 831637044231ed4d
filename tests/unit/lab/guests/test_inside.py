from __future__ import annotations

import ast
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.lab.guests import inside


def test_it_needs_nothing_but_python() -> None:
    """It is sent to guests that have nothing of ours."""
    tree = ast.parse(Path(inside.__file__).read_text())
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert modules <= set(sys.stdlib_module_names)


@pytest.mark.parametrize("driver", ["", "virtio3"])
def test_a_card_is_found_by_its_slot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver: str) -> None:
    monkeypatch.setattr(inside, "DEVICES", tmp_path)
    assert inside.card_in(0x10) == ""
    (tmp_path / "0000:00:10.0" / driver / "net/card0").mkdir(parents=True)
    (tmp_path / "0000:00:11.0/net/card1").mkdir(parents=True)
    assert inside.card_in(0x10) == "card0"


def test_a_card_is_renamed_once_it_has_its_first_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inside, "LOOK_EVERY", 0.0)
    done: list[list[str]] = []
    looks = iter(["", "eth0", "card0"])
    monkeypatch.setattr(inside, "card_in", lambda _: next(looks))
    monkeypatch.setattr(os, "spawnvp", noting(done))
    inside.name_card(0x10, "card0", "wan", 1400)
    assert done == [["ip", "link", "set", "dev", "card0", "mtu", "1400", "name", "wan"]]


def test_a_card_that_has_its_name_keeps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[list[str]] = []
    monkeypatch.setattr(inside, "card_in", lambda _: "wan")
    monkeypatch.setattr(os, "spawnvp", noting(done))
    inside.name_card(0x10, "card0", "wan", 1400)
    assert done == [["ip", "link", "set", "dev", "wan", "mtu", "1400"]]


def test_a_card_that_does_not_come_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inside, "CARD_SECONDS", 0.0)
    monkeypatch.setattr(inside, "card_in", lambda _: "eth0")
    with pytest.raises(TimeoutError, match="slot 0x10 is called 'eth0'"):
        inside.name_card(0x10, "card0", "wan", 1400)


def test_the_journal_goes_with_the_machines_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for constant, name in (
        ("HOSTNAME", "now"),
        ("KEPT_HOSTNAME", "hostname"),
        ("MACHINE_ID", "machine-id"),
        ("JOURNALS", "journal"),
    ):
        monkeypatch.setattr(inside, constant, tmp_path / name)
    (tmp_path / "machine-id").write_text("aaa\n")
    (tmp_path / "journal/aaa").mkdir(parents=True)
    for _ in range(2):  # again after a boot
        inside.name_machine("left", "bbb")
    assert [path.name for path in (tmp_path / "journal").iterdir()] == ["bbb"]
    assert [(tmp_path / name).read_text() for name in ("now", "hostname", "machine-id")] == ["left", "left\n", "bbb\n"]


def noting(done: list[list[str]]) -> Callable[[int, str, list[str]], int]:
    """An os.spawnvp that only notes what it was to do."""

    def spawnvp(_mode: int, _file: str, words: list[str]) -> int:
        done.append(words)
        return 0

    return spawnvp
