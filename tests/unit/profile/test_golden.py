"""Whole error reports, as the admin sees them. Each folder of golden/ has a profile and the report it must give.

After a wanted change: `GOLDEN=write pytest tests/unit/profile/test_golden.py`, and read the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.profile import ProfileInvalid, load

CASES = sorted(path for path in (Path(__file__).parent / "golden").iterdir() if path.is_dir())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_report(case: Path) -> None:
    (profile,) = (path for path in case.iterdir() if path.stem == "profile" and path.is_file())
    with pytest.raises(ProfileInvalid) as caught:
        load([profile], environ={})
    report = caught.value.text().replace(f"{case}/", "") + "\n"
    expected = case / "report.txt"
    if os.environ.get("GOLDEN") == "write":
        expected.write_text(report)
    assert report == expected.read_text()
