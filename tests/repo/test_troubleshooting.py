"""docs/troubleshooting.md has a section for each code that an admin can meet, and for no other."""

from __future__ import annotations

import re
from pathlib import Path

from appliance.dataplane.counters import DROP_REASONS
from appliance.runtime.workers.tun_losses import REASON
from appliance.wire.faults import Fault

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/troubleshooting.md").read_text()
FINDINGS, ERRORS = TEXT.split("# Errors by code")


def sections(text: str) -> list[str]:
    return re.findall(r"^### (\S+)$", text, re.MULTILINE)


def test_each_finding_of_the_doctor_has_its_section() -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "appliance/cli/doctor").glob("*_checks.py"))
    codes = re.findall(r"(?:failure|warning|note)\(\s*\"([a-z0-9-]+)\"", sources)
    advisers = [path for floor in ("planning", "runtime") for path in (ROOT / "appliance" / floor).glob("*.py")]
    codes += re.findall(r"Advice\(\s*\"([a-z0-9-]+)\"", "\n".join(path.read_text() for path in advisers))
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
    control = "\n".join((ROOT / f"appliance/control/{name}.py").read_text() for name in ("server", "conversation", "client"))
    codes = set(re.findall(r"(?:failure|ControlError)\(\s*\"([a-z-]+)\"", control))
    assert codes <= told, f"no section: {codes - told}"


def test_each_reason_for_a_drop_has_its_line() -> None:
    table = FINDINGS.split("# Drops by reason")[1].split("# Handshakes by reason")[0]
    assert re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE) == [*DROP_REASONS, REASON]


def test_each_fault_of_a_peer_has_its_line() -> None:
    told = set(re.findall(r"`([a-z-]+)`", FINDINGS.split("# Handshakes by reason")[1]))
    assert set(Fault) <= told, f"no line: {set(Fault) - told}"


def test_no_section_is_there_twice() -> None:
    found = sections(TEXT)
    assert len(found) == len(set(found))
