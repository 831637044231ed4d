"""Writes what is generated from the profile's model and committed: `python -m appliance.profile.generate [ROOT]`.

The schema for editors and the table of keys in the documentation; a test fails when either is stale.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from appliance.profile.reference import reference, with_reference
from appliance.profile.schema import SCHEMA_FILE, schema_text


def generated(root: Path) -> Mapping[Path, str]:
    """Each generated file below the repository's `root`, and what it should hold."""
    page = root / "docs" / "profile.md"
    return {
        root / "schemas" / SCHEMA_FILE: schema_text(),
        page: with_reference(page.read_text(encoding="utf-8"), reference()),
    }


def main(root: Path) -> None:
    """Bring the files up to date."""
    for path, text in generated(root).items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
