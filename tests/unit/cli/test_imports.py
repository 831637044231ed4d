"""What each command loads: a light one answers at once, and the daemon does not begin with the command line's luggage."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "asyncio",
    "click",
    "pluggy",
    "pydantic",
    "pydantic_settings",
    "pyroute2",
    "rich",
    "ruamel",
    "scapy",
    "structlog",
    "typer",
    "yaml",
}
PROBE = """
import sys
from appliance.cli import entry
{before}
code = entry.main({words!r})
print(*sorted({{name.partition(".")[0] for name in sys.modules}}), file=sys.stderr)
"""


def loaded_by(words: list[str], before: str = "", environ: dict[str, str] | None = None) -> set[str]:
    code = PROBE.format(words=words, before=before)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ)
    return set(run.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    "words", [["--help"], ["apply", "--help"], ["version"], ["status"], ["status", "--json"], ["completion"], ["plan", "--wrong"]]
)
def test_a_light_command_loads_nothing_heavy(words: list[str]) -> None:
    assert not loaded_by(words) & (HEAVY | {"cryptography"})


def test_keys_load_the_cryptography_and_nothing_else(tmp_path: Path) -> None:
    for word in ("new", "show"):
        assert not loaded_by(["keys", word, str(tmp_path / "identity")]) & HEAVY


STAND_IN = """
import types
daemon = types.ModuleType("appliance.runtime.daemon")
def run(paths, confirm_within):
    loaded = {name.partition(".")[0] for name in sys.modules}
    print(*sorted(loaded), file=sys.stderr)
    raise SystemExit
daemon.run = run
sys.modules["appliance.runtime.daemon"] = daemon
"""


def test_the_daemon_is_handed_a_small_process() -> None:
    code = PROBE.format(words=["run", "a.yaml"], before=STAND_IN)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert not set(run.stderr.split()) & (HEAVY | {"cryptography"}), run.stderr
