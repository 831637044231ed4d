"""The samples for Node in examples/api, with libraries of npm, at a node of its own."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.management import PASSWORD, Api, trial
from tests.clients.driver import done

ROOT = Path(__file__).parents[2]
LIBRARIES = ("ws@8.23.0", "@grpc/grpc-js@1.14.7", "@grpc/proto-loader@0.8.1")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not shutil.which("npm"), reason="needs npm: run packaging/setup.sh clients"),
]


class Stage:
    """A node with alice, and a folder with the libraries."""

    def __init__(self, folder: Path, port: int, grpc: str) -> None:
        self.socket = f"ws://127.0.0.1:{port}/api/v1/ws"
        self.grpc = grpc
        self._folder = folder
        self._token = Api(port).ask("POST", "/auth/login", name="alice", password=PASSWORD)["access_token"]

    def lines(self, *words: str | Path) -> list[str]:
        """What a sample prints."""
        return done(["node", *words], self._folder, {**os.environ, "TOKEN": self._token}).splitlines()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("node")
    done(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, *LIBRARIES], folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        grpc = f"127.0.0.1:{free.getsockname()[1]}"
    with trial(f'grpc: ["{grpc}"]') as (port, code, _profile):
        Api(port).ask("POST", "/auth/register", code=code, name="alice", password=PASSWORD)
        yield Stage(folder, port, grpc)


def test_events_a_question_and_a_broadcast_over_a_websocket(stage: Stage) -> None:
    *said, last = stage.lines(ROOT / "examples/api/websocket.mjs", stage.socket)
    assert said == ["I am alice", "node: running", "event events.broadcast by alice with tea is ready"]
    assert last.startswith("go on behind event ")


def test_a_question_a_job_and_a_refusal_over_grpc(stage: Stage) -> None:
    said = stage.lines(ROOT / "examples/api/grpc_call.mjs", stage.grpc, ROOT / "schemas/appliance.proto")
    events = [f"job: {number} {kind}" for number, kind in enumerate(("state", "state", "step", "step", "state"), 1)]
    assert said == ["node: trial running", *events, "refused: NOT_FOUND ExecutionUnknown"]
