"""Commands of plugins: found through the profile, shown in help and completion, and told apart from the core when they fail."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from appliance.cli import entry

PLUGIN = """
from appliance.api.hookspecs import hookimpl
from appliance.api.management import CliCommand, ExitCode, Option, Positional, Refused


def routes(context):
    document = {**context.arguments, "profile": [str(path) for path in context.profile]}
    context.output.result(document, context.output.table(("peer", "since"), [("hub", str(context.arguments["since"]))]))
    return 5


def fails(context):
    how = context.arguments["how"]
    if how == "refuses":
        raise Refused("no such peer", hint="name another", exit_code=ExitCode.UNFIT)
    if how == "exits":
        raise SystemExit(4)
    if how == "asks":
        return context.daemon.call("weave.routes")
    if how == "odd":
        return "fine"
    return {}["missing"]


@hookimpl
def appliance_cli_commands():
    since = Option("--since", "only later ones", "SECONDS", "60")
    yield CliCommand("weave routes", "show learnt routes", routes, (since, Option("--all", "all of them")), exits="5 as always")
    yield CliCommand("weave fail", "fail somehow", fails, (Positional("how", "HOW", "in which way"),))
    yield CliCommand("status", "take the core's place", routes)
"""


class Installed(NamedTuple):
    profile: str
    other: str


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installed:
    """A plugin that can be imported, a profile that enables it, and one that does not."""
    info = tmp_path / "weave-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: weave\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[appliance.v1]\nweave = weave_for_a_test\n")
    (tmp_path / "weave_for_a_test.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("appliance.control.client.places.control_addresses", lambda *_: ["\0appliance-test-no-daemon"])
    for name, plugins in (("with", "routing-static, weave"), ("without", "routing-static")):
        text = f"profile: 1\nnetwork: {{addresses: [10.8.0.1/24]}}\nplugins: [{plugins}]\n"
        (tmp_path / f"{name}.yaml").write_text(text)
    return Installed(str(tmp_path / "with.yaml"), str(tmp_path / "without.yaml"))


def test_a_command_knows_its_arguments_the_profile_and_whether_json_is_wanted(
    installed: Installed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry.main(["--config", installed.profile, "weave", "routes", "--all", "--json"]) == 5
    assert json.loads(capsys.readouterr().out) == {"since": "60", "all": True, "profile": [installed.profile]}
    assert entry.main(["weave", "routes", "--since", "9", f"--config={installed.profile}"]) == 5
    assert capsys.readouterr().out == "PEER  SINCE\nhub   9\n"


def test_only_what_the_profile_enables_is_there(installed: Installed, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["--config", installed.other, "weave", "routes"]) == 2
    assert "'weave' is no command" in capsys.readouterr().err
    assert entry.main(["--config", installed.profile, "weave", "rotes"]) == 2
    assert "there are: appliance weave routes, appliance weave fail" in capsys.readouterr().err


def test_help_and_completion_show_it(installed: Installed, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["--config", installed.profile, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "Commands of plugins:" in shown
    assert re.search(r"^  weave routes +show learnt routes$", shown, re.MULTILINE)
    assert "take the core's place" not in shown
    assert entry.main(["--config", installed.other, "--help"]) == 0
    assert "Commands of plugins" not in capsys.readouterr().out
    assert entry.main(["--config", installed.profile, "weave", "routes", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--since SECONDS" in shown
    assert "5 as always" in shown
    assert entry.main(["--config", installed.profile, "completion"]) == 0
    assert '"weave routes") words="--since --all --config --json" ;;' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("how", "code", "words"),
    [
        ("refuses", 9, "error: no such peer\nhint: name another\n"),
        ("exits", 4, ""),
        ("asks", 7, "no appliance daemon runs"),
        ("odd", 1, "plugin weave: appliance weave fail ended with 'fine', wanted 0 to 125"),
        ("breaks", 1, "plugin weave: appliance weave fail: raised KeyError: 'missing'"),
    ],
)
def test_a_command_that_fails_says_whose_it_is(
    installed: Installed, capsys: pytest.CaptureFixture[str], how: str, code: int, words: str
) -> None:
    assert entry.main(["--config", installed.profile, "weave", "fail", how]) == code
    assert words in capsys.readouterr().err


def test_arguments_are_judged_before_it_runs(installed: Installed, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["--config", installed.profile, "weave", "fail"]) == 2
    assert entry.main(["--config", installed.profile, "weave", "routes", "--sinse", "1"]) == 2
    assert "did you mean --since?" in capsys.readouterr().err


def test_a_command_cannot_take_the_place_of_the_cores(installed: Installed) -> None:
    assert entry.main(["--config", installed.profile, "status"]) == 7
