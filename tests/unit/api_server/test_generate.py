from __future__ import annotations

import json
from pathlib import Path

from openapi_spec_validator import validate

from appliance.api_server.generate import generated, main
from appliance.management.compatibility.change import Kind
from appliance.management.compatibility.documents import differences

ROOT = Path(__file__).parents[3]


def test_stale_files_are_brought_up_to_date(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas/openapi-3.1.json").write_text("stale")
    main(tmp_path)
    assert {path: path.read_text() for path in generated(tmp_path)} == generated(tmp_path)


def test_nothing_breaks_clients_of_the_last_release() -> None:
    released, now = [
        json.loads((ROOT / "schemas" / name).read_text()) for name in ("released/openapi-3.1.json", "openapi-3.1.json")
    ]
    broken = [f"{change.where} {change.sentence}" for change in differences(released, now) if change.kind is Kind.BREAKING]
    assert not broken, "docs/api-conventions.md, Versions: what has to break becomes /api/v2"


def test_a_foreign_validator_takes_what_is_committed() -> None:
    for version in ("3.1", "3.0"):
        validate(json.loads((ROOT / f"schemas/openapi-{version}.json").read_text()))
