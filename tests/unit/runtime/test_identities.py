"""The node's secret, from a file or a plugin; what is wrong with it is said with what to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.errors import ApplianceError, MissingPrivilege
from appliance.protocol.identity import Identity, IdentityInvalid
from appliance.runtime.identities import IdentityExposed, IdentityMissing, load_identity

OURS = Identity.generate()


def nobody(_reference: str) -> bytes | None:
    return None


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "the key"
    path.touch(0o600)
    path.write_bytes(OURS.to_pem())
    return path


def test_from_a_file_whose_name_has_blanks(key: Path) -> None:
    assert load_identity(f"file:{str(key).replace(' ', '%20')}", nobody).fingerprint == OURS.fingerprint


def test_from_a_plugin() -> None:
    asked = []

    def vault(reference: str) -> bytes | None:
        asked.append(reference)
        return OURS.to_pem()

    assert load_identity("vault:node/7", vault).fingerprint == OURS.fingerprint
    assert asked == ["vault:node/7"]


def test_a_scheme_that_nobody_knows() -> None:
    with pytest.raises(IdentityMissing, match="no enabled plugin knows the identity vault:"):
        load_identity("vault:secret-name", nobody)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(IdentityMissing) as caught:
        load_identity(f"file:{tmp_path}/none", nobody)
    assert f"appliance keys new {tmp_path}/none" in caught.value.hint


def test_a_folder_is_no_identity(tmp_path: Path) -> None:
    with pytest.raises(ApplianceError, match="cannot be read"):
        load_identity(f"file:{tmp_path}", nobody)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_of_somebody_else(key: Path) -> None:
    key.chmod(0)
    with pytest.raises(MissingPrivilege):
        load_identity(f"file:{str(key).replace(' ', '%20')}", nobody)


def test_garbage_says_where_it_is(key: Path) -> None:
    key.write_text("not a key")
    with pytest.raises(IdentityInvalid, match="the key"):
        load_identity(f"file:{str(key).replace(' ', '%20')}", nobody)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_secret_that_others_may_read_or_change_is_refused(key: Path, mode: int) -> None:
    key.chmod(mode)
    with pytest.raises(IdentityExposed, match="others can read") as refused:
        load_identity(f"file:{str(key).replace(' ', '%20')}", nobody)
    assert f"chmod 600 {key}" in refused.value.hint
