"""Each fault that tests/scenarios/test_plugin_check.py looks for can still be planted into what `appliance plugin new` writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.planted import FAULTS, Fault


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_template_has_the_place_for_it(fault: Fault, tmp_path: Path) -> None:
    fault.plant(tmp_path / "planted")
