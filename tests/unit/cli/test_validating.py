from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.api_server.jobs.templates import OURS
from appliance.cli import main
from appliance.cli.clients.generating import description

ROOT = Path(__file__).parents[3]


def judge(path: Path, *more: str) -> int:
    return main(["validate", str(path), *more])


def file(folder: Path, text: str, name: str = "message.yaml") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_it_says_what_a_file_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judge(file(tmp_path, json.dumps(description(None)), "api.json"), "--json") == 0
    assert json.loads(capsys.readouterr().out)["kind"].startswith("OpenAPI with ")
    assert judge(ROOT / "profiles/office-gateway.yaml") == 0
    assert "ok (profile " in capsys.readouterr().out
    template = next(OURS.glob("*.yaml"))
    assert judge(template) == 0
    assert f"ok (template {template.stem})" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("profile: 1\nnme: x\n", "ProfileInvalid"),
        ("template: 1\nname: x\n", "TemplateInvalid"),
        ("openapi: 3.1.0\n", "ApplianceError"),
    ],
)
def test_each_kind_is_judged_by_its_rules(text: str, code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judge(file(tmp_path, text), "--json") != 0
    assert json.loads(capsys.readouterr().out)["error"]["code"] == code


def test_a_message_of_an_operation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judge(file(tmp_path, "name: laptop\nttl: 60\n"), "--operation", "invite") == 0
    assert capsys.readouterr().out.endswith("ok (arguments of invite)\n")
    assert judge(file(tmp_path, '{"code": "abc"}', "a.json"), "--operation", "invite", "--answer") == 0


def test_what_is_wrong_with_a_message_has_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = file(tmp_path, 'name: laptop\nttl: "60"\nother: 1\ntags:\n  - a\n  - 2\n')
    assert judge(path, "--operation", "invite") == 2
    said = capsys.readouterr().err
    assert f"{path}:2:6: ttl: Input should be a valid integer" in said
    assert f"{path}:3:1: other: " in said
    assert f"{path}:6:5: tags.1: " in said
    assert "3 problems" in said


@pytest.mark.parametrize("text", ["", "- a\n", "a: [\n", "ttl: 5\n"])
def test_what_is_no_message(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judge(file(tmp_path, text), "--operation", "invite", "--json") == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "MessageMisfit"


@pytest.mark.parametrize("more", [["--operation", "nothing"], ["--answer"]])
def test_what_is_asked_has_to_make_sense(more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert judge(file(tmp_path, "a: 1\n"), *more) == 2
    assert "operation" in capsys.readouterr().err
