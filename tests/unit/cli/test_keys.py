"""Making and showing identities: nothing is overwritten, nothing is readable by others."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from appliance.cli import entry

Capture = pytest.CaptureFixture[str]


def run(capsys: Capture, *words: str) -> tuple[int, str, str]:
    code = entry.main(["keys", *words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_new_identity_is_shown_again(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "identity"
    code, out, err = run(capsys, "new", str(path))
    assert code == 0
    assert out.startswith("llp1:")
    assert len(out.strip()) == 57
    assert f"written to {path}" in err
    assert path.stat().st_mode & 0o777 == 0o600
    assert run(capsys, "show", str(path)) == (0, out, "")
    document = json.loads(run(capsys, "show", str(path), "--json")[1])
    assert document == {"identity": out.strip(), "path": str(path), "algorithms": ["Ed25519", "ML-DSA-87"]}


def test_the_mode_does_not_depend_on_the_umask(tmp_path: Path, capsys: Capture) -> None:
    before = os.umask(0)
    try:
        run(capsys, "new", str(tmp_path / "identity"))
    finally:
        os.umask(before)
    assert (tmp_path / "identity").stat().st_mode & 0o777 == 0o600


def test_nothing_is_overwritten(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "identity"
    path.write_text("precious")
    code, out, err = run(capsys, "new", str(path))
    assert (code, out, path.read_text()) == (1, "", "precious")
    assert f"{path} exists already and is not overwritten" in err
    assert "hint: a lost identity cannot be made again" in err


def test_a_link_is_not_followed(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "identity").symlink_to(tmp_path / "elsewhere")
    assert run(capsys, "new", str(tmp_path / "identity"))[0] == 1
    assert not (tmp_path / "elsewhere").exists()


def test_a_directory_that_is_not_there(tmp_path: Path, capsys: Capture) -> None:
    _, _, err = run(capsys, "new", str(tmp_path / "no" / "identity"))
    assert f"error: {tmp_path}/no: there is no such directory\nhint: make it first: mkdir -p {tmp_path}/no\n" == err


@pytest.mark.parametrize(
    ("content", "code", "sentence"),
    [
        (None, 1, "there is no such key file"),
        ("nonsense", 2, "an identity file holds two PRIVATE KEY blocks, this one 0"),
    ],
)
def test_a_file_that_holds_none(tmp_path: Path, capsys: Capture, content: str | None, code: int, sentence: str) -> None:
    path = tmp_path / "identity"
    if content is not None:
        path.write_text(content)
    ended, _, err = run(capsys, "show", str(path))
    assert ended == code
    assert f"error: {path}: {sentence}" in err
    assert "appliance keys new" in err


def test_a_secret_that_others_can_read_is_told(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "identity"
    run(capsys, "new", str(path))
    path.chmod(0o644)
    code, _, err = run(capsys, "show", str(path))
    assert code == 0
    assert f"{path} has mode 0644: others can read this secret" in err
