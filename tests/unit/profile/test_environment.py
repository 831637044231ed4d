from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.profile.environment import read_environment


def trees(environ: dict[str, str]) -> list[Any]:
    documents, problems = read_environment(environ)
    assert not problems
    return [document.tree for document in documents]


def test_sections_and_keys() -> None:
    environ = {
        "APPLIANCE_NETWORK__MTU": "1280",
        "APPLIANCE_CRYPTO__ROTATE__AFTER": "5min",
        "APPLIANCE_NETWORK__ADDRESSES": "[10.8.0.1/24]",
    }
    assert trees(environ) == [
        {"crypto": {"rotate": {"after": "5min"}}},
        {"network": {"addresses": ["10.8.0.1/24"]}},
        {"network": {"mtu": 1280}},
    ]


def test_other_variables_are_not_ours() -> None:
    assert trees({"APPLIANCE_LOG": "debug", "APPLIANCE_STATE_DIR": "/x", "PATH": "a__b", "appliance_network__mtu": "1"}) == []


def test_a_value_from_a_file_is_text(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("007\n")
    assert trees({"APPLIANCE_MAIL__TOKEN_FILE": str(secret)}) == [{"mail": {"token": "007"}}]


def test_credentials_come_last(tmp_path: Path) -> None:
    (tmp_path / "appliance.mail.token").write_text("t")
    (tmp_path / "other").write_text("x")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path), "APPLIANCE_MAIL__TOKEN": "plain"}
    assert trees(environ) == [{"mail": {"token": "plain"}}, {"mail": {"token": "t"}}]
    documents, _ = read_environment(environ)
    assert documents[1].spots["mail", "token"].source.name == "credential appliance.mail.token"


def test_a_credentials_folder_may_be_missing(tmp_path: Path) -> None:
    assert trees({"CREDENTIALS_DIRECTORY": str(tmp_path / "none")}) == []


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"APPLIANCE___MTU": "1"}, "names no key"),
        ({"APPLIANCE_NETWORK__": "1"}, "names no key"),
        ({"APPLIANCE_NETWORK___FILE": "/x"}, "names no key"),
        ({"APPLIANCE_A__B": "[1"}, "this is not YAML"),
        ({"APPLIANCE_A__B": "010"}, "leading zero"),
        ({"APPLIANCE_A__B_FILE": "/does/not/exist"}, "/does/not/exist cannot be read: No such file"),
        ({"APPLIANCE_A__B_FILE": ""}, "cannot be read"),
        ({"APPLIANCE_A__B_FILE": "/x", "APPLIANCE_A__B": "1"}, "APPLIANCE_A__B is set as well"),
        ({"APPLIANCE_A__B_FILE": "/dev/zero"}, "larger than"),
        ({"APPLIANCE_A__B_FILE": "a\0b"}, "UTF-8"),
    ],
)
def test_refused(environ: dict[str, str], told: str) -> None:
    _, problems = read_environment(environ)
    assert len(problems) == 1
    assert told in problems[0].message
    assert problems[0].file.startswith("environment APPLIANCE_")


def test_a_credential_without_a_section(tmp_path: Path) -> None:
    (tmp_path / "appliance.token").write_text("t")
    _, problems = read_environment({"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert "names no key" in problems[0].message


def test_values_are_not_shown() -> None:
    _, problems = read_environment({"APPLIANCE_MAIL__TOKEN": "hunter2: [hunter2"})
    assert "hunter2" not in str(problems)
