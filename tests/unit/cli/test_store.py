"""`appliance store` on real folders, as its command line is typed."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.api.stores import Put
from appliance.cli import entry
from appliance.cli import store as commands
from appliance.errors import ExitCode
from appliance.store.opening import open_store
from appliance.store.sealed import SealedStore

NOBODY = 65534


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with one user, where the commands find it without being told."""
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    folder = tmp_path / "state.kept-api" / "store"
    asyncio.run(_filled(folder))
    return folder


async def _filled(folder: Path) -> None:
    store = await open_store(folder)
    await store.commit(Put("users", "alice", b"secret"))
    await store.close()


async def _alice(folder: Path, **more: Any) -> bytes:
    store = await open_store(folder, **more)
    record = await store.get("users", "alice")
    await store.close()
    assert record is not None
    return record.value


def alice(folder: Path, **more: Any) -> bytes:
    return asyncio.run(_alice(folder, **more))


def run(*words: str | Path) -> int:
    return entry.main(["store", *map(str, words)])


def told(capsys: pytest.CaptureFixture[str], *words: str | Path, code: int = ExitCode.OK) -> Any:
    capsys.readouterr()
    assert run(*words, "--json") == code
    return json.loads(capsys.readouterr().out)


def test_stats_need_no_key(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (key,) = folder.glob("key-*")
    key.unlink()
    assert told(capsys, "stats")["records"] == {"users": 1}
    assert run("stats") == ExitCode.OK
    assert f"opens with the key file {key.name}" in capsys.readouterr().out


def test_a_check_opens_every_value(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "check", "--store", folder)
    assert (found["values"], found["unopened"], found["rotation_ended"]) == (1, 0, True)
    asyncio.run(_spoil(folder))
    assert told(capsys, "check", code=ExitCode.FAILURE)["unopened"] == 1
    assert run("check") == ExitCode.FAILURE
    shown = capsys.readouterr()
    assert "1 of 2 values open" in shown.out
    assert "users/mallory does not open" in shown.err


async def _spoil(folder: Path) -> None:
    store = await open_store(folder)
    await store._store.commit(Put("users", "mallory", b"nonsense"))
    await store.close()


def test_a_backup_comes_back(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "backup"
    assert run("backup", target) == ExitCode.OK
    assert f"it opens only with the key file {next(folder.glob('key-*')).name}" in capsys.readouterr().err
    assert told(capsys, "backup", target, code=ExitCode.FAILURE)["error"]["code"] == "BackupExists"
    (folder / "store.sqlite").write_bytes(b"x" * 5_000)
    assert told(capsys, "restore", target)["before"] == str(folder / "before-restore.sqlite")
    assert alice(folder) == b"secret"


def test_while_the_api_server_runs_only_what_reads_is_done(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def meanwhile(store: SealedStore) -> None:
        def refused(*words: str | Path) -> None:
            assert told(capsys, *words, code=ExitCode.RETRY)["error"]["code"] == "StoreInUse"

        def all_of_them() -> None:
            assert run("stats") == run("check") == run("backup", tmp_path / "backup") == ExitCode.OK
            refused("restore", tmp_path / "backup")
            refused("rewrap")
            refused("rotate")

        await asyncio.to_thread(all_of_them)
        await store.commit(Put("users", "alice", b"still writes"))

    async def story() -> None:
        store = await open_store(folder)
        await meanwhile(store)
        await store.close()

    asyncio.run(story())
    assert alice(folder) == b"still writes"


def test_rewrap_to_each_kind_of_key(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told(capsys, "rewrap")["now"]["kind"] == "file"
    key = tmp_path / "key"
    key.write_bytes(b"k" * 40)
    assert told(capsys, "rewrap", "--key-file", key)["now"]["place"] == str(key)
    assert alice(folder) == b"secret"
    phrase = tmp_path / "phrase"
    phrase.write_bytes(b"correct horse battery\n")
    assert told(capsys, "rewrap", "--to", "passphrase", "--new-passphrase-file", phrase)["now"]["kind"] == "passphrase"
    assert alice(folder, passphrase=lambda: b"correct horse battery") == b"secret"
    assert told(capsys, "check", code=ExitCode.INVALID)["error"]["code"] == "UsageError", "nobody is here to type it"
    (tmp_path / "appliance-store-key").write_bytes(b"c" * 40)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    descriptor = os.open(phrase, os.O_RDONLY)
    assert (
        told(capsys, "rewrap", "--to", "credential", "--passphrase-file", f"/dev/fd/{descriptor}")["now"]["kind"] == "credential"
    )
    os.close(descriptor)
    assert run("check") == ExitCode.OK
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    assert told(capsys, "check", code=ExitCode.FAILURE)["error"]["code"] == "StoreSealed"


def test_a_passphrase_is_typed_twice(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    typed = iter(["correct horse", "correct hose", "correct horse", "correct horse", "correct horse"])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("getpass.getpass", lambda _prompt: next(typed))
    assert run("rewrap", "--to", "passphrase") == ExitCode.INVALID
    assert alice(folder) == b"secret"
    assert run("rewrap", "--to", "passphrase") == ExitCode.OK
    assert "appliance-store-passphrase" in capsys.readouterr().err
    assert run("check") == ExitCode.OK


def test_rotate_and_another_cipher(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = told(capsys, "rotate", "--cipher", "chacha20-poly1305")
    assert done == {"data_key": 2, "cipher": "chacha20-poly1305", "values": 1}
    assert alice(folder) == b"secret"


@pytest.mark.parametrize(
    "words",
    [
        ("rotate", "--cipher", "rot13"),
        ("rewrap", "--to", "the moon"),
        ("rewrap", "--to", "credential", "--key-file", "x"),
        ("rewrap", "--new-passphrase-file", "x"),
    ],
)
def test_what_makes_no_sense_changes_nothing(words: tuple[str, ...], folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "store.sqlite").read_bytes()
    assert told(capsys, *words, code=ExitCode.INVALID)["error"]["code"] == "UsageError"
    assert (folder / "store.sqlite").read_bytes() == before


def test_no_store_no_file(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "stats", "--store", tmp_path / "nowhere", code=ExitCode.FAILURE)["error"]["code"] == "StoreMissing"
    assert told(capsys, "restore", tmp_path / "nothing", code=ExitCode.FAILURE)["error"]["code"] == "ApplianceError"
    assert told(capsys, "rewrap", "--key-file", tmp_path / "nothing", code=ExitCode.FAILURE)["error"]["code"] == "StoreSealed"
    assert alice(folder) == b"secret"


@pytest.fixture
def theirs() -> Iterator[Path]:
    """A store that belongs to another user, where that user can go."""
    public = Path(tempfile.mkdtemp())
    public.chmod(0o755)
    asyncio.run(_filled(public / "store"))
    for path in [public / "store", *(public / "store").iterdir()]:
        os.chown(path, NOBODY, NOBODY)
    yield public / "store"
    shutil.rmtree(public)


@pytest.mark.netns
def test_root_works_as_the_owner_of_the_store(theirs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there, phrase, key = ("--store", theirs), tmp_path / "phrase", tmp_path / "key"
    phrase.write_bytes(b"correct horse battery")
    key.write_bytes(b"k" * 40)
    assert run("backup", tmp_path / "backup", *there) == ExitCode.OK
    assert (tmp_path / "backup").stat().st_uid == 0, "the backup is whose who made it"
    assert run("restore", tmp_path / "backup", *there) == run("rotate", *there) == run("rewrap", *there) == ExitCode.OK
    assert run("rewrap", "--to", "passphrase", "--new-passphrase-file", phrase, *there) == ExitCode.OK
    words = ("rewrap", "--key-file", key, "--passphrase-file", phrase, *there)
    assert told(capsys, *words, code=ExitCode.PERMISSION)["error"]["code"] == "MissingPrivilege", "a key that it could not read"
    assert {path.stat().st_uid for path in theirs.iterdir()} == {NOBODY}
    assert os.geteuid() == os.getegid() == 0


@pytest.mark.netns
def test_a_link_of_the_owners_leads_root_nowhere(folder: Path, theirs: Path) -> None:
    link = theirs.parent / "link"
    link.symlink_to(folder)
    os.lchown(link, NOBODY, NOBODY)
    assert run("rotate", "--store", link) == ExitCode.PERMISSION
    assert run("rotate", "--store", folder) == ExitCode.OK


def test_every_command_of_the_table_is_there() -> None:
    from appliance.cli.commands.store import COMMANDS

    for command in COMMANDS:
        assert command.run.partition(":")[0] == commands.__name__
        assert callable(getattr(commands, command.run.partition(":")[2]))
