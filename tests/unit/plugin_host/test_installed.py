"""What is installed and what is enabled."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.api import STANDARD_PLUGINS
from appliance.errors import ProfileError
from appliance.plugin_host.installed import enabled, installed


def test_the_standard_plugins_are_installed_with_their_versions() -> None:
    found = installed()
    assert set(found) >= set(STANDARD_PLUGINS)
    assert found["transport-ip"].distribution == "appliance-transport-ip"
    assert found["transport-ip"].version
    assert not found["transport-ip"].rivals


def test_the_hosts_own_plugins_come_first_and_once(tmp_path: Path) -> None:
    path = tmp_path / "plugins.toml"
    path.write_text('plugins = ["audit", "b"]\n')
    assert enabled(["a", "b"], path) == ("audit", "b", "a")


def test_without_a_file_the_profile_decides(tmp_path: Path) -> None:
    assert enabled(["a"], tmp_path / "none.toml") == ("a",)


@pytest.mark.parametrize("text", ["plugins = 7", 'plugins = ["a", 7]', "plugin = []", "not toml"])
def test_a_bad_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plugins.toml"
    path.write_text(text)
    with pytest.raises(ProfileError, match=r"plugins\.toml"):
        enabled([], path)
