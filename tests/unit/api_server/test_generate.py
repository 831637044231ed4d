from __future__ import annotations

import json
from pathlib import Path

from openapi_spec_validator import validate

from appliance.api_server.generate import generated, main

ROOT = Path(__file__).parents[3]


def test_stale_files_are_brought_up_to_date(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas/openapi-3.1.json").write_text("stale")
    main(tmp_path)
    assert {path: path.read_text() for path in generated(tmp_path)} == generated(tmp_path)


def test_a_foreign_validator_takes_what_is_committed() -> None:
    for version in ("3.1", "3.0"):
        validate(json.loads((ROOT / f"schemas/openapi-{version}.json").read_text()))
