"""The dashboard's scripts that need no browser, tested by Node.js in their own language: `*.test.js` beside this file."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from appliance.api_server.dashboard import pages

HERE = Path(__file__).parent
SCRIPTS = sorted(Path(pages.__file__).parent.glob("*.js"))
IMPORT = re.compile(r'import \{ ([^}]*) \} from "\./([\w.]+)";')
EXPORT = re.compile(r"^export (?:async )?(?:const|function|class) (\w+)", re.MULTILINE)
IMPURE = re.compile(r"\b(document|window|fetch|localStorage|sessionStorage|navigator|Date\.now)\b")


@pytest.mark.skipif(not shutil.which("node"), reason="needs node: packaging/setup.sh clients")
def test_pure_scripts_do_what_their_tests_say(tmp_path: Path) -> None:
    for each in (*SCRIPTS, *HERE.glob("*.test.js")):
        shutil.copy(each, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    command = ["node", "--test", *sorted(each.name for each in tmp_path.glob("*.test.js"))]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("test", sorted(HERE.glob("*.test.js")), ids=lambda each: each.name)
def test_what_is_tested_without_a_browser_needs_none(test: Path) -> None:
    script = Path(pages.__file__).with_name(test.name.replace(".test", ""))
    assert not IMPURE.search(script.read_text())


def test_what_is_imported_is_there_and_what_is_exported_is_imported() -> None:
    text = {each.name: each.read_text() for each in SCRIPTS}
    exported = {(name, word) for name, script in text.items() for word in EXPORT.findall(script)}
    imported = {
        (name, word.split(" as ")[0])
        for script in text.values()
        for words, name in IMPORT.findall(script)
        for word in words.split(", ")
    }
    assert imported == exported


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda each: each.name)
def test_each_script_uses_what_it_imports(script: Path) -> None:
    text = script.read_text()
    rest = IMPORT.sub("", text)
    words = [word.split(" as ")[-1] for words, _ in IMPORT.findall(text) for word in words.split(", ")]
    assert [word for word in words if not re.search(rf"\b{word}\b", rest)] == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda each: each.name)
def test_each_script_says_what_it_is_for_and_stays_small(script: Path) -> None:
    lines = script.read_text().splitlines()
    assert lines[0].startswith("// ")
    assert len(lines) < 400
