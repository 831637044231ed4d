from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.cli.top import looking as module
from appliance.cli.top.looking import JOBS_AGAIN, Looking
from appliance.errors import NoDaemon
from tests.unit.cli.top.node import Node


def test_it_asks_one_node_again_and_again(node: Node) -> None:
    with Looking() as looking:
        first, second = looking.look(), looking.look()
    assert node.looks == 2
    assert first.at < second.at
    assert [each["name"] for each in second.peers] == ["office", "phone"]
    assert second.jobs is None, "there is no API server"


def test_where_nobody_listens_there_is_nothing_to_see(control: Path) -> None:
    assert not control.exists()
    with pytest.raises(NoDaemon):
        Looking()


@pytest.mark.usefixtures("node")
def test_jobs_come_from_the_api_server_which_is_not_asked_all_the_time_if_it_is_not_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def ask(_target: object, asking: Any) -> Any:
        asked.append(asking.path)
        if len(asked) == 1:
            raise NoDaemon("not yet")
        return {"items": [{"id": "1"}]}

    monkeypatch.setattr(module, "ask", ask)
    with Looking() as looking:
        found = [looking.look().jobs for _ in range(JOBS_AGAIN + 2)]
    assert found == [None] * (JOBS_AGAIN + 1) + [[{"id": "1"}]]
    assert len(asked) == 2
