"""`ws` of npm, the WebSocket library of most programs in JavaScript, speaks to the signalling server."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.clients.driver import done
from tests.rigs.signalling import signalling_server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("npm"), reason="needs npm: run packaging/setup.sh clients"),
]

LIBRARY = "ws@8"
PROGRAM = Path(__file__).parent / "signalling.mjs"


def test_two_peers_meet_one_proves_its_key_and_both_are_pinged(tmp_path: Path) -> None:
    done(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", tmp_path, LIBRARY], tmp_path)
    program = tmp_path / PROGRAM.name
    program.write_bytes(PROGRAM.read_bytes())
    with signalling_server() as port:
        told = json.loads(done(["node", program, f"ws://127.0.0.1:{port}/p2p-signaling"], tmp_path))
    assert told == {
        "registered": ["alice", "bob"],
        "offer": {"type": "offer", "from": "alice", "sdp": "v=0\r\n"},
        "answer": {"type": "answer", "from": "bob", "sdp": "v=0\r\n"},
        "taken": "id_taken",
        "closed": 4409,
        "pinged": True,
    }
