from __future__ import annotations

from pathlib import Path

import pytest

from appliance.lab.guests import programs, qemu, snapshot
from appliance.lab.guests.image import Image

CACHE = Path("/cache/image-1")
MADE = Image("bookworm", "amd64", CACHE / "kernel", CACHE / "initial", CACHE / "disk", None, Path("/cache/key"))


def test_another_qemu_or_another_machine_has_another_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "run", lambda *_: "QEMU emulator version 7.2.22\nCopyright\n")
    first = snapshot.name_of(MADE)
    moved = MADE._replace(kernel=Path("/elsewhere/kernel"), initial=Path("/elsewhere/initial"))
    assert snapshot.name_of(moved) == first, "where the cache is does not matter"
    monkeypatch.setattr(qemu, "MACHINES", {"amd64": "q35"})
    other_machine = snapshot.name_of(MADE)
    monkeypatch.setattr(programs, "run", lambda *_: "QEMU emulator version 10.0.2\nCopyright\n")
    assert len({first, other_machine, snapshot.name_of(MADE)}) == 3
