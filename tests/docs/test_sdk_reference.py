"""The reference of the SDK is that of today's docstrings."""

from __future__ import annotations

import ast
import runpy

from tests.docs.markdown import ROOT

MADE = runpy.run_path(str(ROOT / "docs/sdk_reference.py"))


def test_it_is_made_from_the_code() -> None:
    assert (ROOT / "docs/sdk-reference.md").read_text() == MADE["reference"](), "write it again: make docs"


def test_a_class_is_shown_as_it_is_used() -> None:
    tree = ast.parse('''
class Box:
    """Holds
    things."""

    most: int = 3
    """Things."""

    def __init__(self) -> None: ...

    async def put(self, thing: str, *, slow: bool = False) -> None:
        """Puts one in."""

    @property
    def full(self) -> bool:
        """No room."""

    def _inner(self) -> None: ...
''')
    assert MADE["_thing"](tree, "Box", "house") == (
        "### Box\n\n`from house import Box`\n\nHolds things.\n\n"
        "- `most: int = 3`  \n  Things.\n"
        "- `await put(thing: str, *, slow: bool=False) -> None`  \n  Puts one in.\n"
        "- `full -> bool`  \n  No room."
    )
