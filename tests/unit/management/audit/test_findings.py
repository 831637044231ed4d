"""How a finding is told."""

from __future__ import annotations

from appliance.management.audit.findings import Finding, Wrong


def test_the_place_comes_first() -> None:
    assert Finding(Wrong.EDITED, "1.audit", 3, 2, "it was changed").text() == "1.audit:3: it was changed"
    assert Finding(Wrong.TRUNCATED, "1.audit", 0, 9, "it ends too early").text() == "1.audit: it ends too early"
    assert Finding(Wrong.RESEALED, "", 0, 9, "it is another one").text() == "it is another one"
