"""What a module pulls in, seen from a fresh interpreter."""

from __future__ import annotations

import os
import subprocess
import sys

HEAVY = ("asyncio", "pydantic", "pluggy", "structlog")
"""What the worker process must not carry: megabytes and tenths of a second each."""


def heavy_imports(module: str) -> list[str]:
    """Those of HEAVY that importing `module` brings along. Raises AssertionError when it cannot be imported."""
    code = f"import sys, {module}; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.split()
