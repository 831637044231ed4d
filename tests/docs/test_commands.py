"""What the documents tell people to type is typed, document by document, from the first command to the last."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from appliance.cli.table import COMMANDS
from tests.docs.machine import Machine, script
from tests.docs.markdown import DOCUMENTS, ROOT, Block, blocks, commands
from tests.docs.not_run import NOT_RUN, reason

SHOWING = {document: found for document in DOCUMENTS if (found := [block for block in blocks(document) if block.is_shell])}
SHOWN = [command for found in SHOWING.values() for block in found for command in commands(block)]
TO_RUN = [document for document, found in SHOWING.items() if any(not reason(c.text) for b in found for c in commands(b))]

# What a reader would have before the first command of a page.
GIVEN = {"docs/troubleshooting.md": "ip netns add NAME\n"}

by_document = pytest.mark.parametrize("document", TO_RUN, ids=lambda path: str(path.relative_to(ROOT)))


@pytest.mark.netns
@by_document
def test_what_is_shown_works(document: Path, tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    parts = [GIVEN.get(str(document.relative_to(ROOT)), "")]
    expected: list[Block] = []
    for block in blocks(document):
        if block.is_shell:
            parts.append(script(commands(block)))
        elif block.language == "text":
            expected.append(block)
        elif (path := re.findall(r"`(/etc/[\w./-]+)`", block.above)) and block.language in {"yaml", "toml"}:
            parts.append(written(path[-1], block.text))
    printed = shape(machine.run("".join(parts)))
    for block in expected:
        missing = [line for line in block.text.splitlines() if shape(line) not in printed]
        assert not missing, f"{block}: not printed: {missing}\n── printed ──\n{printed}"


def written(path: str, text: str) -> str:
    """The file that a page shows, with an identity in place of the ellipsis."""
    filled = text.replace("llp1:…", "$(appliance keys show other || appliance keys new other)")
    return f"mkdir -p {Path(path).parent}\n[ -e other ] || appliance keys new other\ncat >{path} <<EOF\n{filled}EOF\n"


def shape(text: str) -> str:
    """Without what differs from run to run: identities, figures and the width of columns."""
    text = re.sub(r"llp(n?)1:[a-z2-7…]+", r"llp\g<1>1:…", text)
    return re.sub(r"[ \t]+", " ", re.sub(r"\d+(\.\d+)?", "0", text)).strip()


def test_nothing_is_excused_that_is_not_shown() -> None:
    stale = [pattern for pattern in NOT_RUN if not any(re.fullmatch(pattern, command.text) for command in SHOWN)]
    assert not stale
    assert all(NOT_RUN.values()), "each exception has its reason"


def test_the_pages_that_matter_are_run() -> None:
    run = {str(document.relative_to(ROOT)) for document in TO_RUN}
    assert {"README.md", "docs/first-node.md", "docs/plugins.md", "docs/troubleshooting.md", "examples/README.md"} <= run


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_command_that_is_named_exists(document: Path) -> None:
    known = {row.words for row in COMMANDS}
    first = {words.split()[0] for words in known}
    for shown in re.findall(r"`(?:sudo )?appliance ([a-z][^`]*)`", document.read_text()):
        words = [*shown.split(), ""]
        assert set(words[0].split("|")) <= first, f"appliance {shown}"
        if words[0] not in known:
            assert {f"{words[0]} {second}" for second in words[1].split("|")} <= known, f"appliance {shown}"
