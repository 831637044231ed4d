"""Every way to end: exit codes, sentences instead of tracebacks, one JSON document."""

from __future__ import annotations

import argparse
import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.cli import entry
from appliance.cli.terminal import Terminal
from appliance.errors import ApplianceError, ApplyError, ExitCode, HostError, MissingPrivilege, NoDaemon, PlanError, ProfileError

ROOT = Path(__file__).parents[3]
Ending = tuple[int, str, str]
"""Exit code, standard output, standard error."""
EndsWith = Callable[..., Ending]


@pytest.fixture
def ends_with(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> EndsWith:
    """Run a command that raises."""
    monkeypatch.delenv("APPLIANCE_LOG", raising=False)

    def run(error: BaseException, *words: str) -> Ending:
        def fail(arguments: argparse.Namespace, terminal: Terminal) -> int:
            raise error

        monkeypatch.setattr(entry, "_load", lambda path: fail)
        code = entry.main(["confirm", *words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (HostError("x"), 1),
        (ProfileError("x"), 2),
        (PlanError("x"), 9),
        (ApplyError("x"), 4),
        (MissingPrivilege("x"), 6),
        (NoDaemon("x"), 7),
        (KeyboardInterrupt(), 130),
    ],
)
def test_exit_codes(ends_with: EndsWith, error: BaseException, code: int) -> None:
    assert ends_with(error)[0] == code


def test_a_sentence_and_what_to_do(ends_with: EndsWith) -> None:
    code, out, err = ends_with(HostError("the kernel refused", hint="ask it nicely"))
    assert (code, out, err) == (1, "", "error: the kernel refused\nhint: ask it nicely\n")


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/etc/x"), 6, "error: /etc/x: permission denied"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/etc/x"), 1, "error: /etc/x: there is no such file"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "error: no space left on device"),
    ],
)
def test_the_operating_systems_errors_are_sentences(ends_with: EndsWith, error: OSError, code: int, sentence: str) -> None:
    ended, _, err = ends_with(error)
    assert ended == code
    assert err.splitlines()[0] == sentence
    assert err.splitlines()[1].startswith("hint: ")


def test_a_bug_is_a_sentence_too_and_a_traceback_only_for_debugging(ends_with: EndsWith, monkeypatch: pytest.MonkeyPatch) -> None:
    code, _, err = ends_with(ZeroDivisionError("division by zero"))
    assert code == 1
    assert err.startswith("error: this should not have happened: ZeroDivisionError: division by zero\nhint: ")
    assert "Traceback" not in err
    monkeypatch.setenv("APPLIANCE_LOG", "debug")
    assert "Traceback (most recent call last)" in ends_with(ZeroDivisionError("x"))[2]


def test_with_json_an_error_is_the_one_document(ends_with: EndsWith) -> None:
    _, out, err = ends_with(NoDaemon("nobody", hint="start one"), "--json")
    assert json.loads(out) == {"ok": False, "error": {"code": "NoDaemon", "message": "nobody", "hint": "start one", "exit": 7}}
    assert "error: nobody" in err


def test_an_invalid_profile_shows_every_problem(ends_with: EndsWith) -> None:
    from appliance.profile.problems import LocatedProblem, ProfileInvalid

    problem = LocatedProblem("a.yaml", 3, 5, "network.mtu", "9001 is above 9000", "use 9000", "mtu: 9001", 4)
    code, out, err = ends_with(ProfileInvalid([problem]), "--json")
    [told] = json.loads(out)["error"]["problems"]
    assert (told["file"], told["line"], told["col"], told["path"]) == ("a.yaml", 3, 5, "network.mtu")
    assert "a.yaml:3:5: network.mtu: 9001 is above 9000" in err
    assert "1 problem" in err
    assert code == 2


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ([], 2, "error: no command was given\nhint: see `appliance --help`"),
        (["--verson"], 2, "error: appliance has no option --verson\nhint: did you mean --version?"),
        (["--config"], 2, "error: --config needs the path of a profile"),
        (["pln"], 2, "error: 'pln' is no command\nhint: did you mean plan?"),
    ],
)
def test_what_is_no_command(capsys: pytest.CaptureFixture[str], words: list[str], code: int, says: str) -> None:
    assert entry.main(words) == code
    assert capsys.readouterr().err.startswith(says)


def test_version_in_three_ways(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["version"], ["--version"], ["--config", "x", "--version"]):
        assert entry.main(words) == 0
        assert capsys.readouterr().out.startswith("appliance ")


def test_help_in_three_ways(capsys: pytest.CaptureFixture[str]) -> None:
    shown = []
    for words in (["--help"], ["-h"], ["help"]):
        assert entry.main(words) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1] == shown[2]
    assert entry.main(["apply", "--help"]) == 0
    assert "--confirm-within DURATION" in capsys.readouterr().out


def test_a_reader_that_leaves_is_no_error() -> None:
    run = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m appliance.cli --help | true; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
    )
    assert run.stderr == ""
    assert run.stdout.strip() in {"0", "141"}


def test_a_closed_standard_output_is_no_error() -> None:
    run = subprocess.run(["bash", "-c", f"{sys.executable} -m appliance.cli --help >&-"], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


def test_exit_codes_have_their_numbers() -> None:
    assert [code.value for code in ExitCode] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 75]
    assert ApplianceError.exit_code is ExitCode.FAILURE


def test_what_other_software_brings_for_a_library_of_ours_is_not_run(tmp_path: Path) -> None:
    metadata = tmp_path / "guest-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: guest\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[pydantic]\nguest = guest:plugin\n")
    (tmp_path / "guest.py").write_text(f"open({str(tmp_path / 'came')!r}, 'w').close()\nplugin = None\n")
    command = [sys.executable, "-m", "appliance.cli", "check", str(ROOT / "profiles/office-gateway.yaml")]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, timeout=60)
    assert "office-gateway.yaml" in done.stdout, done.stderr
    assert not (tmp_path / "came").exists()
