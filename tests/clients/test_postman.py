"""The Postman collection, run by newman: its first steps and all that only reads on a real node, everything on a mock."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from examples.management import PASSWORD, Api, trial
from tests.clients.driver import done
from tests.rigs.mock_api import mock_api

NEWMAN = "newman@6.2.2"
COLLECTION = Path(__file__).parents[2] / "schemas/postman.json"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not shutil.which("npm"), reason="needs npm: run packaging/setup.sh clients"),
]


@pytest.fixture(scope="module")
def newman(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("newman")
    done(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, NEWMAN], folder)
    return folder / "node_modules/.bin/newman"


def statuses(newman: Path, folder: Path, *folders: str, **variables: str) -> dict[str, Any]:
    """What each request that was sent was answered with, by its name. Fails if a test of the collection does."""
    command: list[str | Path] = [
        newman,
        "run",
        COLLECTION,
        "--reporters",
        "cli,json",
        "--reporter-json-export",
        folder / "out.json",
    ]
    for key, value in variables.items():
        command += ["--env-var", f"{key}={value}"]
    for name in folders:
        command += ["--folder", name]
    done(command, folder, {**os.environ, "NO_PROXY": "*"})
    ran = json.loads((folder / "out.json").read_text())["run"]
    assert not ran["failures"]
    assert ran["stats"]["assertions"]["total"] > 100
    return {each["item"]["name"]: each.get("response", {}).get("code") for each in ran["executions"]}


def test_a_run_over_all_reads_a_real_node_and_changes_nothing(newman: Path, tmp_path: Path) -> None:
    with trial() as (port, code, _profile):
        Api(port).ask("POST", "/auth/register", code=code, name="alice", password=PASSWORD)
        told = statuses(newman, tmp_path, base_url=f"http://127.0.0.1:{port}", name="alice", password=PASSWORD)
        assert Api(port).log_in("alice").ask("GET", "/status")["name"] == "trial", "it is there still"
    assert told["everything about the node at a glance"] == 200
    assert told["run a template as a job"] == 202
    assert "end the node and undo what it did to the host" not in told
    assert told["end a log-in, or all"] == 200


def test_everything_is_answered_well_by_a_mock(newman: Path, tmp_path: Path) -> None:
    folders = [each["name"] for each in json.loads(COLLECTION.read_text())["item"]][1:-1]
    with mock_api() as base:
        told = statuses(newman, tmp_path, *folders, base_url=base, access_token="admin", changes="yes", streams="yes")
    assert set(told.values()) <= {200, 201, 202, 204}, told
