from __future__ import annotations

from pathlib import Path

from appliance.profile.generate import generated, main
from appliance.profile.reference import BEGIN


def test_stale_files_are_brought_up_to_date(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "schemas").mkdir()
    (tmp_path / "docs/profile.md").write_text(f"# Head\n\n{BEGIN}\nstale\n")
    main(tmp_path)
    assert {path: path.read_text() for path in generated(tmp_path)} == generated(tmp_path)
    assert (tmp_path / "docs/profile.md").read_text().startswith("# Head\n")
