"""What a stranger's pyproject.toml says, and whatever else may stand in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.plugin_host import projects
from appliance.plugin_host.projects import NoPlugin

ENTRIES = '[project.entry-points."appliance.v1"]\nfast = "fast.plugin"\n'


def read(folder: Path, text: str) -> projects.Project:
    (folder / "pyproject.toml").write_text(text)
    return projects.read(folder)


def test_a_project_is_as_it_stands_there(tmp_path: Path) -> None:
    project = read(tmp_path, f'[project]\nname = "routing-fast"\nversion = "1.2rc1"\ndependencies = ["a>=1"]\n{ENTRIES}')
    assert project == (tmp_path.resolve(), "routing-fast", "1.2rc1", {"fast": "fast.plugin"}, ("a>=1",))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f'[project]\nname = "x"\ndependencies = 7\n{ENTRIES}', "dependencies is no list of texts"),
        (f'[project]\nname = "x"\ndependencies = "abc"\n{ENTRIES}', "dependencies is no list of texts"),
        (f'[project]\nname = "x"\ndependencies = [7]\n{ENTRIES}', "dependencies is no list of texts"),
        (f'[project]\nname = "../../x"\n{ENTRIES}', "is no name of a distribution"),
        (f'[project]\nname = "x"\nversion = "../1"\n{ENTRIES}', "is no version"),
        (f'[project]\nname = "x"\nversion = 1\n{ENTRIES}', "is no version"),
        ('[project]\nname = "x"\n[project.entry-points."appliance.v1"]\nfast = 7\n', "entry point 'fast' is no line of text"),
        (
            '[project]\nname = "x"\n[project.entry-points."appliance.v1"]\nfast = "a\\n[pydantic]"\n',
            "entry point 'fast' is no line of text",
        ),
        ("project = 1\n", "has no"),
        ("[project", "pyproject.toml: "),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(NoPlugin, match=reason):
        read(tmp_path, text)


def test_a_file_that_is_none_is_said_too(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").mkdir()
    with pytest.raises(NoPlugin, match="is a directory"):
        projects.read(tmp_path)
