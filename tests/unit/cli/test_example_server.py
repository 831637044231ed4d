from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from appliance.api_server.example_server import listening
from appliance.cli import main

APPLIANCE = Path(sys.executable).parent / "appliance"


def test_it_answers_until_it_is_told_to_end() -> None:
    mock = subprocess.Popen([APPLIANCE, "mock-server", "--port", "0", "--json"], stdout=subprocess.PIPE, text=True)
    try:
        assert mock.stdout is not None
        told = json.loads(mock.stdout.readline())
        asked = urllib.request.Request(f"{told['url']}/api/v1/status", headers={"Authorization": f"Bearer {told['tokens'][0]}"})
        with urllib.request.urlopen(asked, timeout=60) as answer:
            assert answer.status == 200
        os.kill(mock.pid, signal.SIGINT)
        assert mock.wait(60) == 0
    finally:
        mock.kill()
        mock.wait()
        mock.stdout.close()


@pytest.mark.parametrize("port", ["-1", "70000", "x"])
def test_what_is_no_port_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mock-server", f"--port={port}"]) == 2
    assert "is no port" in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with listening("127.0.0.1", 0) as taken:
        assert main(["mock-server", "--port", str(taken.getsockname()[1])]) == 1
    assert "--port 0" in capsys.readouterr().err
