from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.files.inbox import Inbox


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    """The folder `in`; what comes from the sender is below `in/left`."""
    made = Inbox(tmp_path / "in")
    yield made
    made.stop()
    made.close()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An empty folder of the sender's."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder
