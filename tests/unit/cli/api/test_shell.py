"""A shell on the example server, from a pipe: each line is asked as whoever logged in."""

from __future__ import annotations

import io
import sys

import pytest
from rigs.mock_api import mock_api

from appliance.cli import main


def typed(monkeypatch: pytest.MonkeyPatch, url: str, text: str, token: str = "") -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    monkeypatch.setenv("APPLIANCE_TOKEN", token)
    return main(["shell", "--url", url])


def test_lines_are_asked_one_after_the_other(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with mock_api() as url:
        assert typed(monkeypatch, url, "# a comment\n\nstatus\nhelp lookup\nexit\nnot reached\n", "admin") == 0
        said = capsys.readouterr().out
        assert '"sessions"' in said
        assert "GET /api/v1/names/{name}, permission node.read" in said
        assert typed(monkeypatch, url, "status\n") == 6, "nobody is logged in"
        assert "token" in capsys.readouterr().err
        assert typed(monkeypatch, url, "nix\n", "admin") == 2
        assert typed(monkeypatch, url, "lookup name='x\n", "admin") == 1
        assert typed(monkeypatch, url, "help\n", "admin") == 0
        assert "templates.execute" in capsys.readouterr().out


def test_who_logs_in_goes_on_as_that_user(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with mock_api() as url:
        code = typed(monkeypatch, url, "login alice\ncorrect horse battery\nlogout\nstatus\n")
        said = capsys.readouterr().err
        assert "as alice for" in said
        assert code == 6, "after the log-out nobody is logged in"
        assert "correct horse" not in said
