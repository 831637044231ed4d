"""What the documents promise is there: words of the Makefile, links, hooks, commands."""

from __future__ import annotations

import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.api import hookspecs
from appliance.api_server.generate import generated

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
DOCUMENTS = sorted({*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/README.md")})
HOOKS = {name: hook for name, hook in inspect.getmembers(hookspecs, inspect.isfunction) if name.startswith("appliance_")}

by_path = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))


def words_of_the_makefile() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))


def test_every_word_has_its_help_line() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == words_of_the_makefile()


@by_path
def test_a_document_names_words_that_exist(document: Path) -> None:
    named = set(re.findall(r"(?:`|^ {4}|&& )make ([a-z-]+)", document.read_text(), re.MULTILINE))
    assert named <= words_of_the_makefile()


@by_path
def test_a_link_leads_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", document.read_text())
    assert not [target for target in targets if not (document.parent / target).exists()]


def test_the_hooks_are_documented_with_their_arguments() -> None:
    text = (ROOT / "docs/plugins.md").read_text()
    assert HOOKS
    for name, hook in HOOKS.items():
        assert f"{name}({', '.join(inspect.signature(hook).parameters)})" in text, name


def test_what_is_made_from_the_operations_is_todays() -> None:
    stale = [str(path.relative_to(ROOT)) for path, text in generated(ROOT).items() if path.read_text() != text]
    assert not stale, "write them again: make schemas"


def test_the_readme_shows_commands_that_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    shown = set(re.findall(r"(?:^ {4}|`)(?:sudo )?appliance ([a-z]+)(?: (new|show|check|invite)\b)?", readme, re.MULTILINE))
    assert shown, "the first profile is shown by its commands"
    for command, subcommand in sorted(shown):
        words = [command, *([subcommand] if subcommand else []), "--help"]
        run = subprocess.run([Path(sys.executable).parent / "appliance", *words], capture_output=True, text=True)
        assert run.returncode == 0, f"appliance {' '.join(words)}: {run.stderr}"


SCRIPTS = sorted(
    path for path in [ROOT / ".ci/run", *ROOT.glob("packaging/**/*")] if path.is_file() and path.read_bytes()[:2] == b"#!"
)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_script_parses_and_stops_at_its_first_failure(script: Path) -> None:
    assert script.stat().st_mode & 0o111
    assert re.search(r"^set -e", script.read_text(), re.MULTILINE)
    shell = script.read_text().splitlines()[0].split("/")[-1].split()[-1]
    subprocess.run([shell, "-n", script], check=True)
    if shellcheck := shutil.which("shellcheck"):
        subprocess.run([shellcheck, script], check=True)
