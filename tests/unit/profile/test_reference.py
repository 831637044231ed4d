from __future__ import annotations

from pathlib import Path

from appliance.profile.generate import generated
from appliance.profile.reference import BEGIN, reference, with_reference
from appliance.profile.schema import json_schema

ROOT = Path(__file__).parents[3]


def test_the_committed_reference_is_current() -> None:
    page = ROOT / "docs" / "profile.md"
    assert page.read_text() == generated(ROOT)[page], "run: python -m appliance.profile.generate"


def test_every_key_is_in_it() -> None:
    text = reference()
    schema = json_schema()
    for model in [schema, *schema["$defs"].values()]:
        for key, value in model["properties"].items():
            assert f"| `{key}` |" in text
            assert value.get("description", "").replace("|", "\\|")[:40] in text


def test_values_and_defaults_are_told() -> None:
    text = reference()
    assert "| `mtu` | 576 to 9000 | `1400` |" in text
    assert "| `profile` | `1` | **required** |" in text
    assert "| `idle` | duration | `60s` |" in text
    assert "| `bytes` | size | `5MB` |" in text
    assert "| `pq` | `required`, `prefer`, `off` | `required` |" in text
    assert "| `group` | text | none |" in text
    assert "| `datagram` | `auto` or 548 to 1472 | `auto` |" in text


def test_what_was_written_by_hand_is_kept() -> None:
    page = with_reference("# Head\n\ntext\n", f"{BEGIN}\nnew\n")
    assert page == f"# Head\n\ntext\n\n{BEGIN}\nnew\n"
    assert with_reference(page, f"{BEGIN}\nnewer\n") == f"# Head\n\ntext\n\n{BEGIN}\nnewer\n"
