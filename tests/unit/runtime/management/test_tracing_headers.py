"""The file with the collector's token."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.api.profile_management import ManagementTracing
from appliance.errors import HostError
from appliance.runtime.management.tracing_headers import MOST, tracing_headers


def section(path: Path) -> ManagementTracing:
    return ManagementTracing(otlp="https://collector.example.net", headers=str(path))


def written(path: Path, text: bytes, mode: int = 0o600) -> Path:
    path.touch(0o600)
    path.write_bytes(text)
    path.chmod(mode)
    return path


def test_lines_are_header_fields(tmp_path: Path) -> None:
    text = b"# a comment\n\nAuthorization:  Bearer a=b:c \r\nX-Scope-OrgID: 7\n"
    assert tracing_headers(section(written(tmp_path / "h", text))) == {"authorization": "Bearer a=b:c", "x-scope-orgid": "7"}
    assert tracing_headers(ManagementTracing()) == tracing_headers(None) == {}


@pytest.mark.parametrize(
    ("text", "mode", "reason"),
    [
        (b"Authorization: secret\n", 0o640, "mode 0640"),
        (b"a: secret\nsecret\n", 0o600, "line 2"),
        (b"a b: secret\n", 0o600, "line 1"),
        (b"a: secret\x00\n", 0o600, "line 1"),
        (b"a: secret\xe9\n", 0o600, "line 1"),
        (b"a: secret\rb: secret\n", 0o600, "line 1"),
        (b"a:\n", 0o600, "line 1"),
        (b"a: " + b"secret" * MOST, 0o600, "16 KiB"),
    ],
)
def test_what_is_wrong_is_told_without_a_word_of_it(tmp_path: Path, text: bytes, mode: int, reason: str) -> None:
    with pytest.raises(HostError) as refused:
        tracing_headers(section(written(tmp_path / "h", text, mode)))
    assert reason in refused.value.message
    assert "secret" not in refused.value.text()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="No such file"):
        tracing_headers(section(tmp_path / "none"))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "s", 0o600)
    with pytest.raises(HostError, match="/s: it is no regular file"):
        tracing_headers(section(tmp_path / "s"))
