from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.foundation import places
from tests.unit.cli.top.node import Node, answering


@pytest.fixture
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where commands of this test look for a node; nobody listens there yet."""
    monkeypatch.setenv("APPLIANCE_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv(places.INSTANCE_VARIABLE, "watched")
    return places.control_path(places.state_dir())


@pytest.fixture
def node(control: Path) -> Iterator[Node]:
    """A node that answers there."""
    made = Node()
    with answering(control, made):
        yield made
