"""The picture in the README shows what the command prints today."""

from __future__ import annotations

import html
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.lab.loading import load
from appliance.lab.probing import questions
from tests.docs.markdown import ROOT
from tests.docs.test_commands import shape

COMMAND = "appliance lab profiles/lab/pair.yaml"
SVG = (ROOT / "docs/demo.svg").read_text()
AGAIN = "draw it again, as docs/picture.py says"


def printed() -> str:
    """The text of the picture, without the command: what stands where, read from the places of its parts."""
    lines: dict[int, str] = {}
    for y, row in re.findall(r'<text y="(\d+)"[^>]*>(.*?)</text>', SVG):
        line = ""
        for x, part in re.findall(r'<tspan x="([\d.]+)"[^>]*>(.*?)</tspan>', row):
            line = line.ljust(round((float(x) - 14) / 7.8)) + html.unescape(part)
        lines[(int(y) - 27) // 18] = line
    assert lines.pop(0) == f"$ {COMMAND}"
    return "\n".join(lines.get(number, "") for number in range(1, max(lines) + 1)) + "\n"


def test_it_is_drawn_by_the_script() -> None:
    assert runpy.run_path(str(ROOT / "docs/picture.py"))["picture"](COMMAND, printed()) == SVG, AGAIN


def test_it_shows_every_probe() -> None:
    asked = [
        (question.name, f"{question.source} → {question.target}") for question in questions(load(ROOT / COMMAND.split()[-1]))
    ]
    shown = re.findall(r"^(\w+-\S+) +(\w+ → \w+) +ok ", printed(), re.MULTILINE)
    assert shown == asked, AGAIN


@pytest.mark.netns
def test_it_is_what_is_printed() -> None:
    run = [str(Path(sys.executable).parent / "appliance"), *COMMAND.split()[1:], "--probe", "ping"]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    picture = {shape(line) for line in printed().splitlines()}
    assert not [line for line in done.stdout.splitlines() if shape(line) not in picture], AGAIN
