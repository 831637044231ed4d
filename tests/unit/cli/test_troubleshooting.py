"""docs/troubleshooting.md has a section for each code that an admin can meet, and for no other."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs/troubleshooting.md").read_text()
FINDINGS, ERRORS = TEXT.split("# Errors by code")


def sections(text: str) -> list[str]:
    return re.findall(r"^### (\S+)$", text, re.MULTILINE)


def test_each_finding_of_the_doctor_has_its_section() -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "appliance/cli/doctor").glob("*_checks.py"))
    codes = re.findall(r"(?:failure|warning|note)\(\s*\"([a-z0-9-]+)\"", sources)
    assert len(codes) > 30
    assert sorted(sections(FINDINGS)) == sorted(set(codes))


def test_each_error_has_its_section() -> None:
    roots = {"ApplianceError"}
    sources = "\n".join(path.read_text() for path in (ROOT / "appliance").rglob("*.py") if "testing" not in path.parts)
    while True:
        found = set(re.findall(rf"^class (\w+)\((?:{'|'.join(roots)})\)", sources, re.MULTILINE))
        if found <= roots:
            break
        roots |= found
    told = set(sections(ERRORS))
    assert roots <= told, f"no section: {roots - told}"
    control = "\n".join((ROOT / f"appliance/runtime/{name}.py").read_text() for name in ("control", "control_client"))
    codes = set(re.findall(r"(?:failure|ControlError)\(\s*\"([a-z-]+)\"", control))
    assert codes <= told, f"no section: {codes - told}"


def test_no_section_is_there_twice() -> None:
    found = sections(TEXT)
    assert len(found) == len(set(found))
