"""What the documents show: their code blocks, and the commands in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    {
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("examples/*.md"),
        *ROOT.glob("plugins/*/README.md"),
    }
)

FENCE = re.compile(r"^```(.*)$")
INDENTED = re.compile(r"^ {4}(?=\S)")
EXIT_CODE = re.compile(r"#.*\bexit code (\d+)")

# Synopses, generated from the table that the parser is made from; tests/unit/cli/test_reference.py holds them to it.
SYNOPSES = ROOT / "docs/cli.md"


@dataclass(frozen=True)
class Block:
    """A code block. An indented one, without a language, is commands: that is how the documents show the short ones."""

    document: Path
    line: int
    language: str
    text: str
    above: str
    """The line of text before it."""

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"

    @property
    def is_shell(self) -> bool:
        """Does it show what to type?"""
        return self.language == "sh"


@dataclass(frozen=True)
class Command:
    """A command as written, without its comment, and how it is said to end."""

    block: Block
    text: str
    exit_code: int = 0


def blocks(document: Path) -> list[Block]:
    """All code blocks of a document, in order."""
    return list(_blocks(document, document.read_text(encoding="utf-8").splitlines()))


def _blocks(document: Path, lines: list[str]) -> Iterator[Block]:
    above, number, in_list = "", 0, False
    while number < len(lines):
        begin, line = number, lines[number]
        number += 1
        if fence := FENCE.match(line):
            while lines[number] != "```":
                number += 1
            yield Block(document, begin + 1, fence[1], "\n".join(lines[begin + 1 : number]) + "\n", above)
            number += 1
        elif INDENTED.match(line) and not in_list and document != SYNOPSES:
            while number < len(lines) and INDENTED.match(lines[number]):
                number += 1
            text = "\n".join(row[4:] for row in lines[begin:number]) + "\n"
            yield Block(document, begin + 1, "sh", text, above)
        elif line.strip():
            above = line
            in_list = bool(re.match(r"([-*]|\d+\.) ", line)) or (in_list and line.startswith(" "))


def commands(block: Block) -> list[Command]:
    """The commands of a shell block. One that goes over several lines (a here-document) is one command."""
    found = []
    lines = iter(block.text.splitlines())
    for line in lines:
        said = EXIT_CODE.search(line)
        text = re.sub(r"(^|\s+)#\s.*$", "", line).rstrip()
        if end := re.search(r"<<\s*(\w+)", text):
            for more in lines:
                text += f"\n{more}"
                if more == end[1]:
                    break
        if text:
            found.append(Command(block, text, int(said[1]) if said else 0))
    return found
