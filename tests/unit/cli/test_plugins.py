"""`appliance plugins` for people and programs, and commands that plugins bring."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from appliance.cli import entry, plugins
from appliance.cli.terminal import Terminal
from appliance.foundation import places
from appliance.plugin_host import installing
from appliance.plugin_host.storage import KeptFolder

FACT: dict[str, Any] = {
    "name": "a",
    "version": "1",
    "installed_version": "1",
    "api": "1.0 on",
    "state": "active",
    "provides": ["suite x"],
    "stage": "",
    "problem": "",
    "hint": "",
}


def test_a_failed_plugin_is_named_with_its_reason() -> None:
    failed = {
        **FACT,
        "name": "b",
        "version": "",
        "installed_version": "",
        "api": "",
        "state": "failed",
        "provides": [],
        "stage": "import",
        "problem": "no x",
        "hint": "get x",
    }
    document = {"plugins": [FACT, failed], "installed": ["c"], "not_used": ["/x can be written by others than its owner"]}
    text = plugins.plugins_text(document, Terminal(out=io.StringIO(), err=io.StringIO()))
    assert text.splitlines() == [
        "PLUGIN  VERSION  API     STATE   PROVIDES",
        "a       1        1.0 on  active  suite x",
        "b       -        -       failed  -",
        "b: import: no x",
        "    get x",
        "installed and not enabled: c",
        "    to use it, in the profile: plugins: [a, b, c]",
        "not used: /x can be written by others than its owner",
    ]


def test_what_is_installed_and_not_loaded_yet_is_told() -> None:
    document = {"plugins": [{**FACT, "installed_version": "2"}], "installed": [], "not_used": []}
    text = plugins.plugins_text(document, Terminal(out=io.StringIO(), err=io.StringIO()))
    assert text.splitlines()[-1] == "a: version 2 is installed; the node has it after a restart"


def test_a_plugin_that_is_not_installed_degrades(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    profile = tmp_path / "profile.yaml"
    profile.write_text("profile: 1\nnetwork: {addresses: [10.8.0.1/24]}\nplugins: [routing-static, routing-magic]\n")
    assert entry.main(["plugins", str(profile), "--json"]) == 5
    facts = {fact["name"]: fact for fact in json.loads(capsys.readouterr().out)["plugins"]}
    assert facts["routing-static"]["state"] == "active"
    assert facts["routing-magic"]["state"] == "failed"


@pytest.mark.parametrize(("words", "kind"), [([], "routing"), (["--kind", "crypto"], "crypto")])
def test_a_new_plugin_has_the_kind_that_was_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], kind: str
) -> None:
    folder = tmp_path / "mine"
    assert entry.main(["plugin", "new", "mine", "--directory", str(folder), "--json", *words]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["folder"], document["kind"]) == (str(folder), kind)
    assert (folder / "pyproject.toml").is_file()
    assert entry.main(["plugin", "new", "mine", "--directory", str(folder)]) == 1
    assert f"{folder} is not empty" in capsys.readouterr().err


def test_a_name_tells_its_kind() -> None:
    kinds = ("transport", "crypto", "routing")
    assert plugins.kind_of("transport-pigeon", kinds) == "transport"
    assert plugins.kind_of("pigeon", kinds) == "routing"
    assert entry.main(["plugin", "new", "Pigeon!"]) == 2


def test_uninstalling_says_what_a_plugin_has_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = KeptFolder(tmp_path / "system.plugins", "parrot").path
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(places, "control_addresses", lambda *_: ["\0appliance-test-nobody"])
    monkeypatch.setattr(installing, "plugins_of", lambda _name: ("parrot",))
    monkeypatch.setattr(installing, "uninstall", lambda name: (f"appliance-{name}", (name,)))
    assert entry.main(["plugin", "uninstall", "parrot"]) == 0
    said = capsys.readouterr()
    assert said.out == "appliance-parrot is gone\n"
    assert said.err == f"what it kept is still there: {kept}\n"
