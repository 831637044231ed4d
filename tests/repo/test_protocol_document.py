"""docs/protocol.md names what the code does: every label, reason and counter."""

from __future__ import annotations

import re
from pathlib import Path

from appliance.protocol.events import CloseReason

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/protocol.md").read_text()
SOURCES = [path.read_text() for folder in ("protocol", "wire") for path in (ROOT / "appliance" / folder).glob("*.py")]


def found(pattern: str) -> set[str]:
    return {match for source in SOURCES for match in re.findall(pattern, source)}


def test_every_label_is_specified() -> None:
    labels = found(r'b"([Ll][Ll][Pp]1 [^"]+)"')
    assert len(labels) == 10
    assert {label for label in labels if f'"{label}"' not in TEXT} == set()


def test_every_reason_and_counter_is_listed() -> None:
    names = found(r'(?:PeerFault\(|counters\[|judge\(|give_up\(\w+, )"([a-z-]+)"') | set(CloseReason)
    assert len(names) > 45
    assert {name for name in names if f"`{name}`" not in TEXT} == set()
