"""`appliance store` where the profile has a plugin keep the store: on a real database, as its command line is typed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.api.stores import Append, Put, Record
from appliance.cli import elsewhere as module
from appliance.cli import entry
from appliance.errors import ExitCode
from appliance.store.opening import open_store, sealed
from appliance.testing.services import FakeApiServices
from appliance_store_postgresql.plugin import POSTGRESQL
from appliance_store_postgresql.settings import PostgresqlSettings
from tests.rigs.postgresql import Cluster, cluster


@pytest.fixture(scope="module")
def database() -> Iterator[Cluster]:
    def prepare(server: Cluster) -> None:
        server.write("pg_hba.conf", "local all owner trust\nlocal all all scram-sha-256\n")

    with cluster(prepare, fsync="off") as running:
        running.run("CREATE ROLE api LOGIN PASSWORD 'tea'; GRANT CREATE ON DATABASE postgres TO api")
        yield running


@pytest.fixture
def folder(database: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the API server's keys, on a host whose profile names that database."""
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    (tmp_path / "password").write_text("tea\n")
    section = {"host": str(database.folder), "user": "api", "database": "postgres", "password": f"file:{tmp_path}/password"}
    profile = tmp_path / "profile.yaml"
    profile.write_text(
        "profile: 1\nname: node\nnetwork: {addresses: [10.9.0.1/24]}\n"
        "plugins: [transport-ip, crypto-standard, routing-static, store-postgresql]\n"
        f"management: {{store: {{postgresql: {json.dumps(section)}}}}}\n"
    )
    monkeypatch.setattr(module, "quietly_chosen", lambda _: str(profile))
    folder = tmp_path / "state.kept-api" / "store"
    folder.parent.mkdir()
    asyncio.run(used(database, folder))
    yield folder
    database.run("DROP SCHEMA appliance CASCADE")


async def used(database: Cluster, folder: Path) -> Record | None:
    """As by an API server."""
    settings = PostgresqlSettings(**database.settings() | {"user": "api", "password": "file:/password"})
    async with POSTGRESQL.open(settings, FakeApiServices(secrets={"file:/password": b"tea"})) as inside:
        store = await sealed(inside, folder)
        await store.commit(Put("users", "alice", b"secret"), Append("events", b"one"))
        return await store.get("users", "alice")


def told(capsys: pytest.CaptureFixture[str], *words: str | Path, code: int = ExitCode.OK) -> Any:
    capsys.readouterr()
    assert entry.main(["store", *map(str, words), "--json"]) == code
    shown = capsys.readouterr()
    return json.loads(shown.out or shown.err)


def test_an_admin_looks_at_it_and_changes_its_keys_as_of_a_file(
    database: Cluster, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = told(capsys, "stats")
    assert (found["store"], found["records"], found["entries"]) == ("postgresql", {"users": 1}, 1)
    assert entry.main(["store", "stats"]) == ExitCode.OK
    assert "postgresql: " in capsys.readouterr().out
    assert told(capsys, "check")["unopened"] == 0
    assert told(capsys, "rotate", "--cipher", "aes-256-gcm")["cipher"] == "aes-256-gcm"
    done = told(capsys, "rewrap")
    assert done["now"]["place"] in {path.name for path in folder.iterdir()}
    record = asyncio.run(used(database, folder))
    assert record is not None and record.value == b"secret"  # noqa: PT018


@pytest.mark.parametrize("word", ["backup", "restore"])
def test_copies_are_the_business_of_the_database(
    folder: Path, word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry.main(["store", word, str(tmp_path / "copy")]) == ExitCode.FAILURE
    shown = capsys.readouterr().err
    assert "not in a file, but in postgresql" in shown
    assert "pg_dump" in shown
    assert not (tmp_path / "copy").exists()


def test_a_folder_that_is_named_is_a_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["store", "stats", "--store", str(folder)]) == ExitCode.FAILURE
    assert "there is no store in" in capsys.readouterr().err


def test_a_database_that_is_away_is_named(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    profile = tmp_path / "profile.yaml"
    profile.write_text(profile.read_text().replace('"user"', '"port": 1, "user"'))
    assert entry.main(["store", "stats"]) == ExitCode.RETRY
    assert "cannot be reached" in capsys.readouterr().err


def test_a_profile_that_cannot_be_read_hides_no_database(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "profile.yaml").write_text("profile: 1\nnonsense: 1\n")
    assert entry.main(["store", "backup", str(tmp_path / "copy")]) == ExitCode.INVALID
    assert "nonsense" in capsys.readouterr().err
    asyncio.run(_closed(folder))
    assert entry.main(["store", "stats"]) == ExitCode.OK, "a file that is there is looked at all the same"


async def _closed(folder: Path) -> None:
    await (await open_store(folder)).close()
