"""Records a terminal: runs the commands of a file in docs/casts and draws an SVG in which each line appears when it did.

python docs/cast.py docs/casts/streams.sh > docs/streams.svg        two nodes of `examples/trial.py`, without root

The commands run in one bash; `appliance` is this checkout's. Pauses are shortened, and nothing else is changed.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import tempfile
from html import escape
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "examples")]
from picture import ADVANCE, BLUE, FONT, LEADING, MARGIN  # noqa: E402
from trial import trial  # noqa: E402

MOST_PAUSE = 1.2
TYPED = 0.6
HOLD = 6.0
"""Seconds: the longest pause that is shown, how long a command takes to appear, and how long the end stays."""
WIDTH = 110
END = "~end~"


async def main(script: Path) -> None:
    """Run and draw."""
    with tempfile.TemporaryDirectory() as folder:
        async with trial() as (left, right):
            environ = os.environ | {"LEFT": _home(left), "RIGHT": _home(right), "TERM": "dumb"}
            environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
            shell = await asyncio.create_subprocess_exec(
                "bash",
                cwd=folder,
                env=environ,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
            lines = await _recorded(shell, script.read_text().splitlines())
    sys.stdout.write(drawn(lines))


def _home(control_socket: str) -> str:
    """The folder of one node of the trial, from where its control socket is."""
    return control_socket.split("/run", 1)[0]


async def _recorded(shell: asyncio.subprocess.Process, commands: list[str]) -> list[tuple[float, str]]:
    """Each line with the second at which it appears."""
    assert shell.stdin is not None
    assert shell.stdout is not None
    lines: list[tuple[float, str]] = []
    now = 0.0
    for command in commands:
        if not command or command.startswith("#"):
            continue
        shown = not command.startswith(": ")
        if shown:
            now += TYPED
            lines.append((now, f"$ {command}"))
        shell.stdin.write(f"{command.removeprefix(': ')}\necho {END}\n".encode())
        began = asyncio.get_running_loop().time()
        while (line := (await shell.stdout.readline()).decode().rstrip("\n")) != END:
            now += min(MOST_PAUSE, asyncio.get_running_loop().time() - began)
            began = asyncio.get_running_loop().time()
            lines.append((now, line[:WIDTH]))
        now += min(MOST_PAUSE, asyncio.get_running_loop().time() - began)
    os.killpg(shell.pid, signal.SIGTERM)
    return lines


def drawn(lines: list[tuple[float, str]]) -> str:
    """The SVG. Where nothing moves, all of it is there."""
    width = round(max(len(line) for _, line in lines) * ADVANCE) + 2 * MARGIN
    height = len(lines) * LEADING + 2 * MARGIN
    whole = lines[-1][0] + HOLD
    rows = [_row(number, at, line, whole) for number, (at, line) in enumerate(lines) if line]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
            f'<rect width="{width}" height="{height}" rx="8" fill="#16202c"/>',
            f'<g font-family="ui-monospace, Menlo, Consolas, monospace" font-size="{FONT}" fill="#d5dde6">',
            *rows,
            "</g>\n</svg>\n",
        ]
    )


def _row(number: int, at: float, line: str, whole: float) -> str:
    """A line; each of its columns begins where it should, whatever font there is."""
    colour = f' fill="{BLUE}"' if line.startswith("$ ") else ""
    parts = (
        f'<tspan x="{MARGIN + part.start() * ADVANCE:.1f}">{escape(part[0], quote=False)}</tspan>'
        for part in re.finditer(r"\S+(?: \S+)*", line)
    )
    appears = f'<animate attributeName="opacity" dur="{whole:.1f}s" values="0;1" keyTimes="0;{at / whole:.4f}"'
    said = f'{"".join(parts)}{appears} calcMode="discrete" repeatCount="indefinite"/>'
    return f'<text y="{MARGIN + number * LEADING + FONT}"{colour}>{said}</text>'


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]).resolve()))
