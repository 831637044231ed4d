"""`appliance templates` reads files and asks nobody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.cli import entry
from appliance.errors import ExitCode


def test_ours_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["templates", "list", "--json"]) == ExitCode.OK
    listed = json.loads(capsys.readouterr().out)
    assert {"health-check", "reload-with-confirm"} <= {one["name"] for one in listed["templates"]}
    assert entry.main(["templates", "list"]) == ExitCode.OK
    assert "wait until every part of the node is well" in capsys.readouterr().out


def test_one_is_shown_as_it_stands_in_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["templates", "show", "health-check"]) == ExitCode.OK
    assert capsys.readouterr().out.startswith("template: 1\nname: health-check\n")
    assert entry.main(["templates", "show", "health-check", "--json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["steps"][0]["operation"] == "health"


def test_there_is_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["templates", "show", "nope"]) == ExitCode.INVALID
    assert "there are: check-network, health-check" in capsys.readouterr().err


def test_a_file_is_checked_and_what_is_wrong_has_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "look.yaml"
    text = "template: 1\nname: look\nversion: 1\nsummary: look\nsteps:\n  - {name: health, operation: health}\n"
    file.write_text(text)
    assert entry.main(["templates", "check", str(file)]) == ExitCode.OK
    assert "ok (look, version 1, 1 step)" in capsys.readouterr().out
    file.write_text(text.replace("operation: health", "operation: users.create"))
    assert entry.main(["templates", "check", str(file)]) == ExitCode.INVALID
    assert f"{file}:6:31: steps.0.operation: there is no operation users.create for steps" in capsys.readouterr().err


@pytest.mark.parametrize("page", ["docs/jobs.md"])
def test_the_template_that_the_page_shows_is_right(page: str, tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / page).read_text()
    shown = text[text.index("template: 1") :].partition("```")[0]
    (tmp_path / "trial.yaml").write_text(shown)
    assert entry.main(["templates", "check", str(tmp_path / "trial.yaml")]) == ExitCode.OK
