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


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["connect", ""], {"peers-1", "peers-2"}),
        (["connect", "laptop", ""], {"services-1", "services-2"}),
        (["connect", "--timeout", ""], {"peers-1", "peers-2"}),
        (["connect", "--ti"], {"--timeout"}),
        (["--instance", "office", "tunnel", "laptop", "services-2"], {"services-2"}),
        (["ping", "peers-1"], {"peers-1"}),
    ],
)
def test_a_tab_asks_the_node_for_names(typed: list[str], offered: set[str]) -> None:
    words = " ".join(f"'{word}'" for word in ["appliance", *typed])
    node = 'appliance() { [ "$1 $2" = "completion --of" ] && printf "%s-1\n%s-2\n" "$3" "$3"; }'
    ask = f"COMP_WORDS=({words}); COMP_CWORD={len(typed)}; _appliance; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    run = subprocess.run(["bash", "-c", f"{completion.script()}\n{node}\n{ask}"], capture_output=True, text=True, check=True)
    assert set(run.stdout.split()) == offered
