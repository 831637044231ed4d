"""Where the time of both workers goes during one TCP flow.

Samples by perf, which sees the kernel, and else by py-spy; the Python functions by py-spy. Each has a flow of its own.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from appliance.lab.machines.machine import LabFailure
from tests.perf.bench import split
from tests.perf.bench.contenders import ALL
from tests.perf.bench.machine import describe
from tests.perf.bench.probes import WARM_UP_SECONDS, flowing
from tests.perf.bench.rig import Rig, raised

SECONDS = 4
HERTZ = 200
ENDS = ("sending end", "receiving end")
PY_SPY = Path(sys.executable).parent / "py-spy"
SHARE_ALL = ("-F", "overhead,dso", "--sort", "dso", "--stdio")


async def profile() -> dict[str, Any]:
    """The JSON form: shares by end and floor, and the busiest Python functions by end."""
    found: dict[str, Any] = {"date": describe()["date"], "tool": "py-spy", "shares": {}, "busiest": {}}
    with tempfile.TemporaryDirectory(prefix="bench-profile.") as directory:
        for name in ("udp", "tcp"):
            async with raised(ALL[name]) as rig:
                stacks = await _during_flow(rig, lambda pid: _py_spy(pid, Path(directory)))
                counted = [split.from_stacks(text) for text in stacks]
                if shutil.which("perf"):
                    reports = await _during_flow(rig, lambda pid: _perf(pid, Path(directory)))
                    if all(map(split.from_perf, reports)):
                        counted, found["tool"] = [split.from_perf(report) for report in reports], "perf, cpu-clock"
                found["shares"] |= {f"{name}, {end}": shares for end, shares in zip(ENDS, counted, strict=True)}
                if name == "udp":
                    found["busiest"] = {end: split.busiest(text) for end, text in zip(ENDS, stacks, strict=True)}
    return found


async def _during_flow(rig: Rig, record: Any) -> list[str]:
    async with flowing(rig, SECONDS + WARM_UP_SECONDS + 2):
        await asyncio.sleep(WARM_UP_SECONDS)
        return list(await asyncio.gather(*(record(pid) for pid in rig.workers())))


async def _py_spy(pid: int, directory: Path) -> str:
    out = directory / f"{pid}.stacks"
    words = [PY_SPY, "record", "--native", "--function", "-d", SECONDS, "-r", HERTZ, "-f", "raw", "-o", out, "-p", pid]
    await _run(words)
    return out.read_text(encoding="utf-8", errors="replace")


async def _perf(pid: int, directory: Path) -> str:
    """Empty where the kernel does not let us."""
    data = directory / f"{pid}.perf"
    try:
        await _run(["perf", "record", "-q", "-e", "cpu-clock", "-F", HERTZ * 5, "-o", data, "-p", pid, "--", "sleep", SECONDS])
        return await _run(["perf", "report", "-i", data, *SHARE_ALL])
    except LabFailure:
        return ""


async def _run(words: Sequence[object]) -> str:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*map(str, words), stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    if process.returncode:
        raise LabFailure(f"`{' '.join(map(str, words))}`: {err.decode(errors='replace').strip()[-500:]}")
    return out.decode(errors="replace")
