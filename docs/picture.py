"""Draws what a command printed as a picture of a terminal, for the README:

appliance lab profiles/lab/pair.yaml 2>/dev/null | python3 docs/picture.py 'appliance lab profiles/lab/pair.yaml' >docs/demo.svg
"""

from __future__ import annotations

import re
import sys
from html import escape

# Pixels. The advance of the usual monospace fonts is 0.6 of their size.
FONT, ADVANCE, LEADING, MARGIN = 13, 7.8, 18, 14
BLUE, GREEN = "#8ab4f8", "#7ddc8a"


def picture(command: str, printed: str) -> str:
    """The SVG of a terminal in which `command` printed this."""
    lines = [f"$ {command}", *printed.rstrip().splitlines()]
    width = round(max(map(len, lines)) * ADVANCE) + 2 * MARGIN
    height = len(lines) * LEADING + 2 * MARGIN
    rows = [_row(number, line) for number, line in enumerate(lines) if line]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
            f'<rect width="{width}" height="{height}" rx="8" fill="#16202c"/>',
            f'<g font-family="ui-monospace, Menlo, Consolas, monospace" font-size="{FONT}" fill="#d5dde6">',
            *rows,
            "</g>\n</svg>\n",
        ]
    )


def _row(number: int, line: str) -> str:
    """A line; each of its columns begins where it should, whatever font there is."""
    colour = f' fill="{BLUE}"' if line.startswith("$ ") or line.isupper() else ""
    parts = [_part(part.start(), part[0]) for part in re.finditer(r"\S+(?: \S+)*", line)]
    return f'<text y="{MARGIN + number * LEADING + FONT}"{colour}>{"".join(parts)}</text>'


def _part(column: int, text: str) -> str:
    colour = f' fill="{GREEN}"' if text == "ok" else ""
    return f'<tspan x="{MARGIN + column * ADVANCE:.1f}"{colour}>{escape(text, quote=False)}</tspan>'


if __name__ == "__main__":
    sys.stdout.write(picture(sys.argv[1], sys.stdin.read()))
