"""TypeScript: compiled by its compiler from npm, run by Node."""

from __future__ import annotations

from pathlib import Path

from tests.clients.driver import STORIES, Driver, done

COMPILER = "typescript@5.9.3"


def _built(client: Path, work: Path) -> list[str]:
    _compiled(client, work)
    return ["node", str(STORIES / "story.mjs"), (client / "dist/index.js").as_uri()]


def _program(client: Path, work: Path, text: str) -> list[str]:
    for folder, words in ((client, ("install",)), (client, ("run", "build")), (work, ("install", str(client)))):
        done(["npm", *words, "--silent", "--no-audit", "--no-fund"], folder)
    (work / "quick-start.mjs").write_text(text)
    return ["node", str(work / "quick-start.mjs")]


def _compiled(client: Path, work: Path) -> None:
    done(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", work, COMPILER], work)
    done([work / "node_modules/.bin/tsc", "-p", client], client)


DRIVER = Driver(("node", "npm"), _built, frozenset({"key"}), _program)
