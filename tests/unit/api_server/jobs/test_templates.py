"""Templates are files, layered as profiles are, and a wrong one is told with its line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.api_server.jobs.templates import OURS, TemplateInvalid, Templates, TemplateUnknown, load
from appliance.management.operations.table import BY_NAME
from tests.unit.management.jobs.written import OPERATIONS

RIGHT = """\
template: 1
name: look
version: 1
summary: look at the node
steps:
  - {name: health, operation: health}
"""


def put(root: Path, folder: str, text: str, name: str = "look.yaml") -> Path:
    file = root / folder / "appliance/templates" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


@pytest.mark.parametrize("file", sorted(OURS.glob("*")), ids=lambda file: file.name)
def test_ours_are_right_for_the_table_of_operations(file: Path) -> None:
    assert load(file, BY_NAME).name == file.stem


def test_there_are_some() -> None:
    assert {"health-check", "reload-with-confirm", "invite-member"} <= Templates(BY_NAME, Path("/nowhere")).all().keys()


def test_the_admins_own_come_last_and_may_hide_one(tmp_path: Path) -> None:
    put(tmp_path, "usr/lib", RIGHT)
    put(tmp_path, "etc", RIGHT.replace("version: 1", "version: 7"))
    put(tmp_path, "etc", "", "health-check.yaml")
    found = Templates(BY_NAME, tmp_path).all()
    assert found["look"].template.version == 7
    assert "health-check" not in found


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    templates = Templates(OPERATIONS, tmp_path)
    with pytest.raises(TemplateUnknown, match="no template 'look'"):
        templates.get("look")
    file = put(tmp_path, "etc", RIGHT)
    assert templates.get("look").version == 1
    file.write_text(RIGHT.replace("version: 1", "version: 23"))
    assert templates.get("look").version == 23
    file.unlink()
    with pytest.raises(TemplateUnknown):
        templates.get("look")


def test_a_wrong_file_is_one_template_less(tmp_path: Path) -> None:
    put(tmp_path, "etc", RIGHT)
    wrong = put(tmp_path, "etc", RIGHT.replace("operation: health", "operation: helth"), "wrong.yaml")
    templates = Templates(OPERATIONS, tmp_path)
    assert "look" in templates.all()
    assert str(wrong) in templates.invalid()
    with pytest.raises(TemplateUnknown, match="cannot be used"):
        templates.get("wrong")


def test_a_problem_has_its_place_and_what_to_do(tmp_path: Path) -> None:
    text = RIGHT.replace("operation: health", "operation: helth").replace("name: look", "name: lok")
    file = put(tmp_path, "etc", text)
    with pytest.raises(TemplateInvalid) as caught:
        load(file, OPERATIONS)
    shown = caught.value.text()
    assert f"{file}:2:7: name: the file is called look" in shown
    assert f"{file}:6:31: steps.0.operation: there is no operation helth for steps" in shown
    assert "  - {name: health, operation: helth}\n      |                               ^^^^^" in shown
    assert caught.value.message.startswith("the template has 2 problems")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        ("- 1", "mapping of keys"),
        ("template: 1\nname: [", "look.yaml:2"),
        (RIGHT + "steps: []", "steps"),
        (RIGHT + "run: rm", "unknown key"),
        (RIGHT.replace("version: 1", "version: 1.0"), "found 1.0"),
        ("x: " + "y" * 70_000, "larger than 64 KiB"),
    ],
)
def test_no_text_is_more_than_a_problem(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(TemplateInvalid) as caught:
        load(put(tmp_path, "etc", text), OPERATIONS)
    assert words in caught.value.text()
    assert "profile" not in caught.value.text()


def test_no_file_is_a_problem_too(tmp_path: Path) -> None:
    with pytest.raises(TemplateInvalid, match="No such file"):
        load(tmp_path / "look.yaml", OPERATIONS)


def test_a_pipe_in_the_folder_hangs_nobody(tmp_path: Path) -> None:
    put(tmp_path, "etc", RIGHT)
    os.mkfifo(tmp_path / "etc/appliance/templates/pipe.yaml")
    assert "look" in Templates(OPERATIONS, tmp_path).all()
