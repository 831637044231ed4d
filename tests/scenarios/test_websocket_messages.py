"""What schemas/asyncapi.yaml says of the WebSocket, said to a whole API server."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from socket import SHUT_RDWR
from typing import Any

import pytest
import yaml
from websockets.sync.client import ClientConnection, connect

from tests.rigs.whole_api import first_user, whole_api

ROOT = Path(__file__).parents[2]
DOCUMENT = yaml.safe_load((ROOT / "schemas/asyncapi.yaml").read_text())
SAYING = {
    name: (found["examples"], {each["$ref"].rpartition("_")[2] for each in told["reply"]["messages"]})
    for name, told in DOCUMENT["operations"].items()
    if told["action"] == "receive"
    for found in [DOCUMENT["components"]["messages"][told["messages"][0]["$ref"].rpartition("/")[2]]]
}
"""By operations: the examples of what one says, and the types of what may be answered."""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    with whole_api(tmp_path_factory.mktemp("api")) as base:
        yield base.replace("http", "ws") + DOCUMENT["channels"]["websocket"]["address"], first_user(base)


def hear(socket: ClientConnection) -> Any:
    return json.loads(socket.recv(60))


@pytest.mark.parametrize("name", SAYING)
def test_each_example_is_taken_and_answered_as_described(name: str, api: tuple[str, str]) -> None:
    address, token = api
    examples, answers = SAYING[name]
    for example in examples:
        with connect(address, additional_headers={"authorization": f"Bearer {token}"}, proxy=None) as socket:
            assert hear(socket) == {"type": "welcome", "user": "alice"}
            message = example["payload"] | ({"token": token} if name == "say_authenticate" else {})
            socket.send(json.dumps(message))
            said = hear(socket)
            assert said["type"] in answers
            assert said.get("problem", {}).get("code") not in {"MessageInvalid", "Invalid", "NotFound", "Forbidden"}, said
            assert said.get("id") == message.get("id")


def test_clients_that_go_in_any_way_leave_no_traceback(api: tuple[str, str], caplog: pytest.LogCaptureFixture) -> None:
    address, token = api
    who = {"authorization": f"Bearer {token}"}
    with caplog.at_level(logging.ERROR):
        for _ in range(10):
            with connect(address, additional_headers=who, proxy=None) as socket:
                hear(socket)
                socket.send('{"type": "subscribe", "id": 1}')
            with connect(address, additional_headers=who, proxy=None) as broken:
                broken.send('{"type": "ask", "id": 1, "operation": "status"}')
                broken.socket.shutdown(SHUT_RDWR)
        with connect(address, additional_headers=who, proxy=None) as socket:  # the server has met their ends
            for _ in range(3):
                hear(socket)
                socket.send('{"type": "ping"}')
    assert not [record for record in caplog.records if record.name != "websockets.client"], "what a client says is its own matter"
