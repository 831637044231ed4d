from __future__ import annotations

from pathlib import Path

import pytest

from appliance.errors import MissingPrivilege
from appliance.lab import privilege


def test_without_the_tun_device_it_says_what_to_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privilege, "TUN", tmp_path / "tun")
    with pytest.raises(MissingPrivilege) as caught:
        privilege.ensure(["lab"])
    assert "modprobe tun" in caught.value.hint
    assert caught.value.exit_code == 6


def test_a_tun_device_that_cannot_be_opened_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privilege, "TUN", tmp_path)
    with pytest.raises(MissingPrivilege) as caught:
        privilege.ensure(["lab"])
    assert "chmod 666" in caught.value.hint
