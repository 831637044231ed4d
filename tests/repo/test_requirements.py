"""docs/requirements.md and docs/security.md name tests that exist, for each number they have to answer for."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECURITY = (ROOT / "docs/security.md").read_text()
ROWS = re.findall(r"^\| ([D\d.]+) \| ([^|]+) \| ([^|]+) \|$", (ROOT / "docs/requirements.md").read_text(), re.MULTILINE)
MENDED = re.findall(r"^\| ([ABC]\d+) \| ([^|]+) \| ([^|]+) \|$", SECURITY, re.MULTILINE)
TESTS = {test for _, _, tests in ROWS for test in re.findall(r"`([^`]+)`", tests)} | {
    test for test in re.findall(r"`([^`\s]+)`", SECURITY) if test.startswith(("tests/", "plugins/"))
}


def numbers(chapter: int, *spans: tuple[int, int]) -> list[str]:
    return [f"{chapter}.{number}" for first, last in spans for number in range(first, last + 1)]


def test_what_was_answered_once_stays_answered() -> None:
    sdk = numbers(0, (2, 8), (10, 49), (51, 51), (55, 55), (58, 66), (68, 79), (89, 91))
    network = numbers(1, (2, 3), (5, 5), (7, 9), (16, 18), (22, 45), (47, 53), (56, 59), (61, 62), (64, 64), (66, 69), (71, 74))
    backend = numbers(2, (1, 5), (7, 7), (9, 20), (23, 32), (34, 38))
    management = numbers(
        3,
        (1, 11),
        (15, 32),
        (34, 34),
        (37, 38),
        (40, 40),
        (42, 42),
        (44, 59),
        (61, 63),
        (65, 65),
        (67, 68),
        (79, 79),
        (86, 86),
        (89, 89),
        (91, 92),
    )
    protocol = numbers(4, (1, 61))
    lost = {*sdk, *network, *backend, *management, *protocol, "D1", "D6", "D7", "D9", "D12", "D13"} - {
        number for number, _, _ in ROWS
    }
    assert not lost


def test_each_number_is_there_once_in_order_with_its_tests() -> None:
    found = [tuple(map(int, number.split("."))) for number, _, _ in ROWS if number[0] != "D"]
    assert found == sorted(set(found))
    assert all("`" in tests for _, _, tests in ROWS)


def test_what_once_broke_a_node_is_held() -> None:
    assert [number for number, _, _ in MENDED] == [
        *(f"A{number}" for number in range(1, 12)),
        *(f"B{number}" for number in range(12, 29)),
        *(f"C{number}" for number in range(29, 34)),
    ]
    assert all("`" in tests for _, _, tests in MENDED)


def test_every_test_exists(collected: frozenset[str]) -> None:
    """Those that this run has found itself exist; for the others pytest is asked.

    Not with the files beside their tests: pytest looks for none of a file that it collects as a whole.
    """
    others = {test for test in TESTS - with_what_holds_them(collected) if "::" in test or not (ROOT / test).exists()}
    if not others:
        return
    collect = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "-m", "", *sorted(others)]
    done = subprocess.run(collect, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def with_what_holds_them(tests: Iterable[str]) -> set[str]:
    """The tests, and their functions, classes, files and folders, each as one would name it to pytest."""
    found = set(tests)
    for test in tests:
        words = test.partition("[")[0].split("::")
        found |= {"::".join(words[:length]) for length in range(1, len(words) + 1)}
    return found | {str(folder) for test in {test.partition("::")[0] for test in found} for folder in Path(test).parents}


def test_a_test_is_also_named_by_what_holds_it() -> None:
    assert with_what_holds_them(["tests/a/test_b.py::TestC::test_d[x::y]"]) == {
        "tests/a/test_b.py::TestC::test_d[x::y]",
        "tests/a/test_b.py::TestC::test_d",
        "tests/a/test_b.py::TestC",
        "tests/a/test_b.py",
        "tests/a",
        "tests",
        ".",
    }
