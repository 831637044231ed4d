"""The sample for gRPC in Go, with code from the definitions, on Debian's packages: it is compiled and asks a node of its own."""

from __future__ import annotations

import os
import re
import shutil
import socket
from pathlib import Path

import pytest

from examples.management import PASSWORD, Api, trial
from tests.clients.driver import done

ROOT = Path(__file__).parents[2]
LIBRARIES = Path("/usr/share/gocode")
TOOLS = ("go", "protoc", "protoc-gen-go", "protoc-gen-go-grpc")
MISSING = [tool for tool in TOOLS if not shutil.which(tool)]
MISSING += [str(folder) for folder in [LIBRARIES / "src/google.golang.org/grpc"] if not folder.exists()]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}: run packaging/setup.sh clients"),
]


def sample(folder: Path) -> Path:
    """The program, with what the command of docs/grpc.md generates."""
    page = (ROOT / "docs/grpc.md").read_text()
    (command,) = re.findall(r"```text\n(package=.*?)```", page, re.DOTALL)
    (folder / "src/program").mkdir(parents=True)
    shutil.copytree(ROOT / "schemas", folder / "src/schemas")
    done(["sh", "-ec", command], folder / "src")
    shutil.copy(ROOT / "examples/api/grpc_call.go", folder / "src/program/main.go")
    environment = os.environ | {"GO111MODULE": "off", "GOPATH": f"{folder}:{LIBRARIES}", "GOFLAGS": ""}
    assert done(["gofmt", "-l", folder / "src/program"], folder) == ""
    done(["go", "vet", "program"], folder, environment)
    done(["go", "build", "-o", "sample", "program"], folder, environment)
    return folder / "sample"


def test_a_question_a_job_and_a_refusal(tmp_path: Path) -> None:
    program = sample(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        grpc = f"127.0.0.1:{free.getsockname()[1]}"
    with trial(f'grpc: ["{grpc}"]') as (port, code, _profile):
        Api(port).ask("POST", "/auth/register", code=code, name="alice", password=PASSWORD)
        token = Api(port).ask("POST", "/auth/login", name="alice", password=PASSWORD)["access_token"]
        said = done([program, grpc], tmp_path, os.environ | {"TOKEN": token, "NO_PROXY": "*"}).splitlines()
    events = [f"job: {number} {kind}" for number, kind in enumerate(("state", "state", "step", "step", "state"), 1)]
    assert said == ["node: trial running", *events, "refused: NotFound ExecutionUnknown"]
