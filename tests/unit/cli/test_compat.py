from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from appliance.cli import main
from appliance.cli.clients.generating import description


def written(path: Path, document: Any) -> str:
    path.write_text(json.dumps(document))
    return str(path)


@pytest.fixture
def now(tmp_path: Path) -> str:
    return written(tmp_path / "now.json", description(None))


@pytest.fixture
def less(tmp_path: Path) -> str:
    document = description(None)
    del document["paths"]["/api/v1/status"]
    return written(tmp_path / "less.json", document)


def test_no_difference(now: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compat", now, now]) == 0
    assert capsys.readouterr().out == "no difference\n"


def test_additions(now: str, less: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compat", less, now]) == 3
    assert "addition  GET /api/v1/status is new" in capsys.readouterr().out


def test_what_breaks(now: str, less: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compat", now, less, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert not told["compatible"]
    assert {"kind": "breaking", "where": "GET /api/v1/status", "sentence": "is not there any more"} in told["changes"]


def test_without_a_second_one_this_version_is_meant(now: str) -> None:
    assert main(["compat", now]) == 0


@pytest.mark.parametrize("document", [[], {"openapi": "3.0.3"}, {"openapi": "3.1.0"}, {"openapi": "3.1.0", "paths": []}])
def test_what_is_no_description(document: Any, now: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compat", written(tmp_path / "odd.json", document), now]) == 1
    assert "openapi.json" in capsys.readouterr().err
