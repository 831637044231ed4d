"""The recorded terminal shows commands of its script, which exist."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

from appliance.cli import table

ROOT = Path(__file__).parents[2]
ROWS = re.findall(r'<text [^>]*fill="#8ab4f8">(.*?)<animate', (ROOT / "docs/streams.svg").read_text())
SHOWN = [unescape(re.sub("<[^>]+>", "", row)).removeprefix("$ ") for row in ROWS]
SCRIPT = [line for line in (ROOT / "docs/casts/streams.sh").read_text().splitlines() if line and line[0] not in ":#"]


def test_it_was_recorded_from_its_script() -> None:
    assert SHOWN == SCRIPT, "record it again, as docs/cast.py says"


def test_its_commands_exist() -> None:
    typed = [line.split("appliance ", 1)[1].split() for line in SCRIPT if "appliance " in line]
    assert len(typed) > 5
    assert not [words for words in typed if table.find(words) is None]
