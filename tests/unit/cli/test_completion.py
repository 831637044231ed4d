"""The completion script in a real bash."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from appliance.cli import completion


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["pl"], {"plan", "plugin", "plugins"}),
        (["keys", ""], {"new", "show"}),
        (["apply", "--c"], {"--config", "--confirm-within"}),
        (["plugin", "new", "--d"], {"--directory"}),
        (["--ch"], {"--check-config"}),
        (["--instance", "office", "pl"], {"plan", "plugin", "plugins"}),
        (["--config", "a.yaml", "--instance", "office", "keys", ""], {"new", "show"}),
        (["--instance", "office", "apply", "--c"], {"--config", "--confirm-within"}),
    ],
)
def test_what_a_tab_offers(typed: list[str], offered: set[str]) -> None:
    words = " ".join(f"'{word}'" for word in ["appliance", *typed])
    ask = f"COMP_WORDS=({words}); COMP_CWORD={len(typed)}; _appliance; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    run = subprocess.run(["bash", "-c", f"{completion.script()}\n{ask}"], capture_output=True, text=True, check=True)
    assert set(run.stdout.split()) == offered
