"""TypeScript: compiled by its compiler from npm, run by Node."""

from __future__ import annotations

from pathlib import Path

from tests.clients.driver import STORIES, Driver, done

COMPILER = "typescript@5.9.3"


def _built(client: Path, work: Path) -> list[str]:
    done(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", work, COMPILER], work)
    done([work / "node_modules/.bin/tsc", "-p", client], client)
    return ["node", str(STORIES / "story.mjs"), (client / "dist/index.js").as_uri()]


DRIVER = Driver(("node", "npm"), _built, frozenset({"key"}))
