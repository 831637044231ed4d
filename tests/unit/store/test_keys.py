"""Where the key-encryption key comes from."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from appliance.foundation.entropy import random_bytes
from appliance.store.keys import CREDENTIAL, LANES, MEMORY_KIB, OF_PASSPHRASE, PASSES, Keys, read_credentials
from appliance.store.ring import StoreSealed, Wrapping


def test_a_new_file_is_its_owners_alone_and_is_found_again(tmp_path: Path) -> None:
    keys = Keys(tmp_path, entropy=random_bytes)
    made = keys.new_file()
    (path,) = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert made.wrapping == Wrapping("file", made.wrapping.id, path.name)
    assert keys.find(made.wrapping).key == made.key
    assert keys.of_file(path).wrapping == made.wrapping
    assert made.key.hex() not in path.read_text(), "what is in the file is not the key itself"
    assert keys.new_file().wrapping.id != made.wrapping.id


def test_a_file_elsewhere_is_named_by_its_path(tmp_path: Path) -> None:
    keys, path = Keys(tmp_path / "store", entropy=random_bytes), tmp_path / "key"
    path.write_bytes(b"k" * 40)
    key = keys.of_file(path)
    assert key.wrapping.place == str(path)
    assert keys.find(key.wrapping).key == key.key
    path.write_bytes(b"k" * 40 + b"\r\n\n")
    assert keys.find(key.wrapping).key == key.key, "an editor's newline is not part of the key"


def test_files_that_hold_no_key_are_told(tmp_path: Path) -> None:
    keys, path = Keys(tmp_path, entropy=random_bytes), tmp_path / "key"
    with pytest.raises(StoreSealed, match="not there"):
        keys.of_file(path)
    for content in (b"", b"hunter2", b" " * 64, bytes(5_000)):
        path.write_bytes(content)
        with pytest.raises(StoreSealed, match="bytes"):
            keys.of_file(path)
    with pytest.raises(StoreSealed, match="cannot be read"):
        keys.of_file(tmp_path)


def test_a_credential_of_systemd(tmp_path: Path) -> None:
    assert read_credentials({}) == read_credentials({"CREDENTIALS_DIRECTORY": str(tmp_path)}) == {}
    (tmp_path / CREDENTIAL).write_bytes(b"k" * 48)
    (tmp_path / OF_PASSPHRASE).write_bytes(b"correct horse\n")
    credentials = read_credentials({"CREDENTIALS_DIRECTORY": str(tmp_path)})
    keys = Keys(tmp_path, entropy=random_bytes, credentials=credentials)
    made = keys.of_credential()
    assert made.wrapping == Wrapping("credential", made.wrapping.id, CREDENTIAL)
    assert keys.find(made.wrapping).key == made.key
    with pytest.raises(StoreSealed, match="not here") as raised:
        Keys(tmp_path, entropy=random_bytes).find(made.wrapping)
    assert f"LoadCredentialEncrypted={CREDENTIAL}:" in raised.value.hint
    cheap = Wrapping("passphrase", "", "", "A" * 22 + "==", 1, 1, 8)
    assert keys.find(keys.of_passphrase(b"correct horse", cheap).wrapping).key == keys.of_passphrase(b"correct horse", cheap).key


def test_a_passphrase_is_stretched_and_salted(tmp_path: Path) -> None:
    keys = Keys(tmp_path, entropy=random_bytes, passphrase=lambda: b"correct horse")
    made = keys.of_passphrase(b"correct horse")
    assert made.wrapping[4:] == (PASSES, LANES, MEMORY_KIB)
    assert keys.find(made.wrapping).wrapping == made.wrapping
    assert keys.find(made.wrapping).key == made.key
    cheap = made.wrapping._replace(passes=1, lanes=1, memory_kib=8)
    assert (
        len({key.key for key in (made, keys.of_passphrase(b"correct horse", cheap), keys.of_passphrase(b"wrong horse", cheap))})
        == 3
    )
    other_salt = cheap._replace(salt="A" * 22 + "==")
    assert keys.of_passphrase(b"correct horse", cheap).key != keys.of_passphrase(b"correct horse", other_salt).key
    with pytest.raises(StoreSealed, match="too short"):
        keys.of_passphrase(b"hunter2")
    with pytest.raises(StoreSealed, match="passphrase"):
        Keys(tmp_path, entropy=random_bytes).find(made.wrapping)


@pytest.mark.parametrize(
    "asked",
    [
        {"memory_kib": 1 << 30},
        {"passes": 1 << 30},
        {"lanes": 1 << 30},
        {"passes": 0},
        {"memory_kib": 1},
        {"salt": "é"},
        {"salt": ""},
    ],
    ids=str,
)
def test_whoever_writes_the_disk_cannot_make_the_start_take_hours(asked: dict[str, str | int], tmp_path: Path) -> None:
    wrapping = Wrapping("passphrase", "", "", "A" * 22 + "==", 1, 1, 8)._replace(**asked)  # type: ignore[arg-type]
    with pytest.raises(StoreSealed, match="parameters"):
        Keys(tmp_path, entropy=random_bytes).of_passphrase(b"correct horse", wrapping)


def test_a_kind_of_tomorrow_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreSealed, match="tpm"):
        Keys(tmp_path, entropy=random_bytes).find(Wrapping("tpm", ""))
