from __future__ import annotations

from pathlib import Path

import pytest

from appliance.errors import HostError
from appliance.lab.guests import programs


def test_what_is_missing_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(programs, "PATH", str(tmp_path))
    for tool in programs.TOOLS:
        if tool not in {"mmdebstrap", "busybox"}:
            (tmp_path / tool).touch(mode=0o755)
    with pytest.raises(HostError, match="need mmdebstrap, busybox, qemu-system-aarch64") as caught:
        programs.require("arm64")
    assert caught.value.hint == "apt install busybox-static mmdebstrap qemu-system-arm"


def test_another_processors_programs_need_an_interpreter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    foreign = next(arch for arch in programs.EMULATORS if programs.is_foreign(arch))
    monkeypatch.setattr(programs, "PATH", str(tmp_path))
    monkeypatch.setattr(programs, "FOREIGN", tmp_path)
    for tool in (*programs.TOOLS, programs.emulator(foreign)):
        (tmp_path / tool).touch(mode=0o755)
    with pytest.raises(HostError, match=f"programs for {foreign} do not run on this machine") as caught:
        programs.require(foreign)
    assert "qemu-user-static" in caught.value.hint
    for interpreter in ("qemu-aarch64", "qemu-x86_64"):
        (tmp_path / interpreter).touch()
    programs.require(foreign)


def test_a_program_prints_and_reads() -> None:
    assert programs.run("sh", "-c", 'cat; printf %s "$WORD"', stdin="told ", environ={"WORD": "so"}) == "told so"


def test_a_failure_has_its_last_words() -> None:
    with pytest.raises(HostError) as caught:
        programs.run("sh", "-c", "seq 100; echo the reason >&2; exit 3")
    assert caught.value.message.startswith("sh ended with 3: 90\n")
    assert caught.value.message.endswith("100\nthe reason")


def test_no_room_is_told_as_such() -> None:
    with pytest.raises(HostError) as caught:
        programs.run("sh", "-c", "echo 'cp: error writing x: No space left on device' >&2; exit 1")
    assert "make room" in caught.value.hint
