"""How much code there is: a table of the rooms, by `make size`.

A line of code has something on it that is neither comment nor docstring.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


class Size(NamedTuple):
    """Of one file, in lines."""

    lines: int
    code: int


def rooms() -> Iterator[tuple[str, list[Path]]]:
    """Each room and its files."""
    core = ROOT / "appliance"
    yield "appliance", sorted(core.glob("*.py"))
    for package in sorted(core.glob("*/__init__.py")):
        yield f"appliance/{package.parent.name}", sorted(package.parent.rglob("*.py"))
    yield "plugins", sorted(ROOT.glob("plugins/*/src/**/*.py"))
    yield "examples", sorted((ROOT / "examples").rglob("*.py"))
    yield "tests", sorted([*(ROOT / "tests").rglob("*.py"), *ROOT.glob("plugins/*/tests/**/*.py")])


def size_of(path: Path) -> Size:
    """The lines of a file, and those with code on them."""
    text = path.read_text()
    prose = _docstrings(ast.parse(text))
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    code = {line for token in tokens if token.type not in NO_CODE for line in range(token.start[0], token.end[0] + 1)}
    return Size(len(text.splitlines()), len(code - prose))


def table() -> Iterator[str]:
    """The rows, as Markdown."""
    yield "| room | files | lines | of code | longest file, of code |"
    yield "|---|---|---|---|---|"
    every: list[Size] = []
    for name, paths in rooms():
        sizes = [size_of(path) for path in paths]
        every += sizes
        yield _row(name, sizes)
    yield _row("together", every)


def _row(name: str, sizes: Sequence[Size]) -> str:
    lines, code = sum(size.lines for size in sizes), sum(size.code for size in sizes)
    return f"| {name} | {len(sizes)} | {lines} | {code} | {max((size.code for size in sizes), default=0)} |"


def _docstrings(tree: ast.AST) -> set[int]:
    """The lines of texts that stand by themselves: docstrings of modules, classes, functions and attributes."""
    texts = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]
    return {line for text in texts for line in range(text.lineno, (text.end_lineno or text.lineno) + 1)}


if __name__ == "__main__":
    sys.stdout.write("\n".join(table()) + "\n")
