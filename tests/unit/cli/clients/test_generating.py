from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.cli import main
from appliance.cli.clients.generating import description


def generate(folder: Path, *more: str) -> int:
    return main(["generate-client", "python", "--output", str(folder), *more])


def test_a_client_is_written_and_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate(tmp_path / "made", "--json") == 0
    assert "appliance_client/client.py" in json.loads(capsys.readouterr().out)["files"]
    (tmp_path / "made/README.md").write_text("mine")
    assert generate(tmp_path / "made") == 1
    assert "exists already" in capsys.readouterr().err
    assert (tmp_path / "made/README.md").read_text() == "mine"
    assert generate(tmp_path / "made", "--force") == 0
    assert (tmp_path / "made/README.md").read_text() != "mine"


def test_any_description_of_an_api_will_do(tmp_path: Path) -> None:
    document = description(None)
    document["info"]["version"] = "9.9"
    (tmp_path / "api.json").write_text(json.dumps(document))
    assert generate(tmp_path / "made", "--description", str(tmp_path / "api.json")) == 0
    assert 'version = "9.9"' in (tmp_path / "made/pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "name a file"),
        ("[]", "no OpenAPI 3.1"),
        ('{"openapi": "3.0.3"}', "no OpenAPI 3.1"),
        ('{"openapi": "3.1.0"}', "complete"),
    ],
)
def test_what_is_no_description_is_refused(text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "api.json").write_text(text)
    assert generate(tmp_path / "made", "--description", str(tmp_path / "api.json")) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


def test_a_language_that_nobody_knows_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate-client", "cobol"]) == 2
    assert "there are: python, typescript" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert generate(tmp_path / "file/made") == 1
    assert "--output" in capsys.readouterr().err
