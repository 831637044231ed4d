"""Files of secrets are read for the API server where the profile names them, and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.api.profile_management import Management
from appliance.errors import HostError
from appliance.runtime.management.secret_files import MOST, secret_of


def of(reference: str) -> Management:
    return Management.model_validate({"store": {"shelf": {"logins": [{"password": reference}]}}})


def test_a_secret_that_the_profile_names_is_read_without_white_space(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("sesame\n")
    assert secret_of(of(f"file:{tmp_path / 's'}"), f"file:{tmp_path / 's'}") == "sesame"


@pytest.mark.parametrize("reference", ["file:/etc/shadow", "/etc/shadow", "file:etc/shadow", ""])
def test_no_other_file_is_read(reference: str) -> None:
    with pytest.raises(HostError):
        secret_of(of("file:/etc/appliance/password"), reference)


@pytest.mark.parametrize("content", [None, b"x" * (MOST + 1), b"\xff"])
def test_what_cannot_be_read_is_said_with_its_name_and_without_what_is_in_it(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "s").write_bytes(content)
    with pytest.raises(HostError, match="/s: "):
        secret_of(of(f"file:{tmp_path / 's'}"), f"file:{tmp_path / 's'}")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "s")
    with pytest.raises(HostError, match="/s: it is no regular file"):
        secret_of(of(f"file:{tmp_path / 's'}"), f"file:{tmp_path / 's'}")
