"""docs/cli.md says what the commands do."""

from __future__ import annotations

from pathlib import Path

from appliance.cli import completion, reference, table
from appliance.errors import ExitCode

DOCUMENT = Path(__file__).parents[3] / "docs/cli.md"


def test_the_document_is_not_stale() -> None:
    text = DOCUMENT.read_text()
    assert text == reference.renewed(text), "renew it: python -m appliance.cli.reference --write"


def test_its_head_names_every_exit_code() -> None:
    head = DOCUMENT.read_text().partition(reference.MARK)[0]
    for code in ExitCode:
        assert f"| {code.value} |" in head


def test_usage_shows_what_may_be_left_out() -> None:
    found = table.find(["keys", "new"])
    assert found is not None
    assert reference.usage(found[0]) == "appliance keys new PATH [--json]"


def test_completion_knows_every_command() -> None:
    script = completion.script()
    for command in table.COMMANDS:
        assert f'"{command.words}") words=' in script
