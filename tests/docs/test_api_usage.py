"""docs/api-usage.md, typed from its first command to its last, at a node of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

from examples.management import PASSWORD, Api, trial
from tests.docs.markdown import DOCUMENTS, ROOT, blocks
from tests.docs.test_commands import shape

PAGE = ROOT / "docs/api-usage.md"
PATIENCE = 200.0
MARK = "── block"


def test_the_examples_work_as_they_stand(tmp_path: Path) -> None:
    page = [block for block in blocks(PAGE) if block.language in {"bash", "text"}]
    script = "".join(f"echo '{MARK}'\n{block.text}" for block in page if block.language == "bash")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    with socket.create_server(("127.0.0.1", 0)) as free:
        grpc = f"127.0.0.1:{free.getsockname()[1]}"
    with trial(f'grpc: ["{grpc}"]') as (port, code, profile):
        Api(port).ask("POST", "/auth/register", code=code, name="alice", password=PASSWORD)
        given = {"API": f"http://127.0.0.1:{port}", "GRPC": grpc, "PASSWORD": PASSWORD, "PROFILE": str(profile), "NO_PROXY": "*"}
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path,
            env={**os.environ, "PATH": path, **given},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    printed = ran.stdout.split(f"{MARK}\n")[1:]
    expected = [after.text for block, after in pairwise(page) if (block.language, after.language) == ("bash", "text")]
    assert [shape(each) for each in printed if each] == [shape(each) for each in expected], ran.stdout
    assert sum(block.language == "bash" for block in page) == 11


def test_no_other_page_has_such_blocks() -> None:
    """They would be typed by no test."""
    assert [each for each in DOCUMENTS if "bash" in {block.language for block in blocks(each)}] == [PAGE]
