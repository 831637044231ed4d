"""Python: nothing is compiled; a strict type checker judges the client in tests/unit/cli/clients."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.clients.driver import STORIES, Driver


def _built(client: Path, _work: Path) -> list[str]:
    return [sys.executable, str(STORIES / "story.py"), str(client)]


def _program(client: Path, work: Path, text: str) -> list[str]:
    (work / "program.py").write_text(text)
    return ["env", f"PYTHONPATH={client}", sys.executable, str(work / "program.py")]


DRIVER = Driver((), _built, frozenset({"key"}), _program, slow=False)
