"""Golden plans. A folder each: `profile.toml`, `observed.json` (with the admin's address and the steps in force, where they
matter) and `plan.json`, or `refusal.json` where there is no plan.

`python -m tests.plans.test_plans` writes the expectations anew; read the difference before committing it.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from appliance.api.planning import HostState
from appliance.api.profile import Profile
from appliance.errors import PlanError
from appliance.planning.diff import plan
from appliance.planning.render import render, step_from_json, to_json

HERE = Path(__file__).parent
FOLDERS = sorted(path.parent for path in HERE.glob("*/profile.toml"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_plan(folder: Path) -> None:
    outcome = planned(folder)
    for name, text in outcome.items():
        assert text == (folder / name).read_text(), folder
    assert {"plan.json", "refusal.json"} & set(outcome)
    assert not {"plan.json", "refusal.json"} - set(outcome) & {path.name for path in folder.iterdir()}


def planned(folder: Path) -> dict[str, str]:
    """The files that the folder should hold beside its input."""
    profile = Profile.model_validate(tomllib.loads((folder / "profile.toml").read_text()))
    given: dict[str, Any] = json.loads((folder / "observed.json").read_text())
    applied = tuple(step_from_json(step) for step in given.pop("applied", ()))
    admin = given.pop("admin_address", None)
    try:
        made = plan(profile, HostState(**given), admin_address=admin, applied=applied)
    except PlanError as error:
        return {"refusal.json": json.dumps({"message": error.message, "hint": error.hint}, indent=2) + "\n"}
    return {"plan.json": json.dumps(to_json(made), indent=2) + "\n", "plan.txt": render(made)}


if __name__ == "__main__":
    for each in FOLDERS:
        for file_name, content in planned(each).items():
            (each / file_name).write_text(content)
