"""The rules of each kind, as text. tests/netns/test_nat_kinds.py says what the kernel makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from appliance.lab.nat import SEQUENTIAL_PORTS, Box, Kind, ruleset

RULESETS = Path(__file__).with_name("rulesets")
BOX = Box(outside="wan", external="198.51.100.2", inside=["172.16.1.2", "172.16.1.3"], mapping_seconds=60.0)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_the_rules_of_a_kind(kind: Kind) -> None:
    dealt = ", ".join(f"{number} : {port}" for number, port in enumerate(SEQUENTIAL_PORTS))
    assert ruleset(kind, BOX).replace(dealt, "…") == (RULESETS / f"{kind}.nft").read_text(encoding="utf-8")


def test_maps_live_as_long_as_the_mappings_of_the_kernel() -> None:
    brief = Box(outside="wan", external="198.51.100.2", inside=["172.16.1.2"], mapping_seconds=2.5)
    assert ruleset("full-cone", brief).count("timeout 2.5s;") == 4
