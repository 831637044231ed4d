"""The sample of docs/grpc.md, as a program of its own with code that protoc generates."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

from grpc_tools import protoc

from tests.unit.api_server.grpc.rig import spoken

ROOT = Path(__file__).parents[4]
INCLUDES = Path(protoc.__file__).parent / "_proto"


async def test_it_asks_follows_and_is_refused(tmp_path: Path) -> None:
    arguments = [f"--{kind}_out={tmp_path}" for kind in ("python", "grpc_python")]
    assert protoc.main(["protoc", f"-I{ROOT / 'schemas'}", f"-I{INCLUDES}", *arguments, "appliance.proto"]) == 0
    sample = next(
        block for block in re.findall(r"```text\n(.*?)```", (ROOT / "docs/grpc.md").read_text(), re.DOTALL) if "import" in block
    )
    (tmp_path / "sample.py").write_text(sample)
    async with spoken(tmp_path) as node:
        running = await asyncio.create_subprocess_exec(
            sys.executable, "sample.py", f"127.0.0.1:{node.port}", "viewer",
            cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path)}, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        printed, _ = await running.communicate()
        name = (await node.call("Status", "viewer")).name
    lines = printed.decode().splitlines()
    assert running.returncode == 0
    assert lines[0] == name
    assert [line.split()[0] for line in lines[1:4]] == ["1", "2", "3"]
    assert lines[4].startswith("UNAUTHENTICATED ")
    assert '"code": "Unauthenticated"' in lines[4]
