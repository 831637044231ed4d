from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.cli import main
from appliance.cli.clients.generating import description
from appliance.cli.clients.languages import LANGUAGES, client


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
    assert "there are: " + ", ".join(LANGUAGES) in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert generate(tmp_path / "file/made") == 1
    assert "--output" in capsys.readouterr().err


PLANTED = '"); __import__("os").system("touch planted"); ("'


def renamed(old: dict[str, Any], before: str, after: str) -> dict[str, Any]:
    return {after if key == before else key: value for key, value in old.items()}


def by_operation(document: dict[str, Any]) -> None:
    document["paths"]["/api/v1/status"]["get"]["operationId"] = PLANTED


def by_path(document: dict[str, Any]) -> None:
    document["paths"] = renamed(document["paths"], "/api/v1/status", "/" + PLANTED)


def by_schema(document: dict[str, Any]) -> None:
    document["components"]["schemas"] = renamed(document["components"]["schemas"], "Status", PLANTED)


def by_reference(document: dict[str, Any]) -> None:
    document["components"]["schemas"]["Status"]["properties"]["name"] = {"$ref": PLANTED}


def by_argument(document: dict[str, Any]) -> None:
    document["paths"]["/api/v1/peers"]["get"]["parameters"][0]["name"] = PLANTED


def by_version(document: dict[str, Any]) -> None:
    document["info"]["version"] = PLANTED


def by_circle(document: dict[str, Any]) -> None:
    itself = {"$ref": "#/components/schemas/Peers"}
    document["components"]["schemas"]["Peers"] = itself


def by_kind(document: dict[str, Any]) -> None:
    document["components"]["schemas"]["Status"]["properties"]["name"] = 5


def test_half_a_character_is_told_or_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = description(None)
    document["paths"]["/api/v1/status"]["get"]["description"] = "half \ud800"
    (tmp_path / "api.json").write_text(json.dumps(document))
    for language in LANGUAGES:
        words = ["generate-client", language, "--description", str(tmp_path / "api.json"), "--output", str(tmp_path / language)]
        assert main(words) in {0, 1}
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("plant", [by_operation, by_path, by_schema, by_reference, by_argument, by_version, by_circle])
def test_a_foreign_description_plants_no_code(
    plant: Callable[[dict[str, Any]], None], language: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = description(None)
    plant(document)
    (tmp_path / "api.json").write_text(json.dumps(document))
    words = ["generate-client", language, "--description", str(tmp_path / "api.json"), "--output", str(tmp_path / "made")]
    assert main(words) == 1
    assert "no complete OpenAPI" in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


def test_words_of_a_foreign_description_stay_words(tmp_path: Path) -> None:
    document = description(None)
    for told in (document["paths"]["/api/v1/peers"]["get"], document["components"]["schemas"]["Peers"]):
        told["summary"] = told["description"] = 'all """\n' + PLANTED + " */ " + "\\"
    made = client("python", document)
    for path, text in made.items():
        if path.endswith(".py"):
            calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name) and node.id == "__import__"]
            assert not calls, path
    assert "*/ " not in client("typescript", document)["src/client.ts"].replace("*/\n", "")
    for path, text in client("java", document).items():
        if path.endswith(".java"):
            assert text.isascii(), path
            assert "*/" not in text.replace("*/\n", ""), path
            assert not re.search(r"\\u", text), path


def test_a_description_with_a_part_of_the_wrong_kind_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = description(None)
    by_kind(document)
    (tmp_path / "api.json").write_text(json.dumps(document))
    for language in LANGUAGES:
        assert main(
            ["generate-client", language, "--description", str(tmp_path / "api.json"), "--output", str(tmp_path / language)]
        ) in {0, 1}
    assert "Traceback" not in capsys.readouterr().err
