"""Which log is meant, and what of a folder is a log."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.runtime.audit.folder import NoAuditLog, only_folder, segments, with_texts


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.delenv("APPLIANCE_INSTANCE", raising=False)
    return tmp_path


def test_the_only_one_is_meant(kept: Path) -> None:
    with pytest.raises(NoAuditLog, match="there is no audit log"):
        only_folder(None)
    (kept / "system.audit").mkdir()
    assert only_folder(None) == kept / "system.audit"
    (kept / "other.audit").mkdir()
    with pytest.raises(NoAuditLog, match=r"several audit logs: .*other\.audit, .*system\.audit"):
        only_folder(None)
    assert only_folder(str(kept / "other.audit")) == kept / "other.audit"
    with pytest.raises(NoAuditLog):
        only_folder(str(kept / "nothing"))


def test_segments_come_in_order_and_nothing_else_does(tmp_path: Path) -> None:
    for name in ("00000010.audit", "00000002.audit", "lock", "head.json", "2.audit", "00000003.audit.part"):
        (tmp_path / name).write_text(name)
    assert [each.number for each in segments(tmp_path)] == [2, 10]
    assert list(with_texts(tmp_path)) == [("00000002.audit", b"00000002.audit"), ("00000010.audit", b"00000010.audit")]


def test_a_link_is_no_segment(tmp_path: Path) -> None:
    (tmp_path / "00000001.audit").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="it is no file"):
        list(with_texts(tmp_path))
