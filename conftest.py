"""For every suite of the repository: the long forms, and skipping with a reason what this machine cannot run."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Generator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

FAMILIES = ("soak", "fuzz", "chaos")
MEASURED = ("tests/cli/test_a_day.py", "tests/cli/test_running.py", "tests/unit/", "plugins/")
"""Where processes that tests start count for coverage. What runs in the process of the tests does so everywhere."""

COLLECTED = pytest.StashKey[frozenset[str]]()
"""The identifiers of all tests that this run has found, also of those that it leaves out."""

# No deadline: other processes share the machine, and time is tested elsewhere, with a clock that the test owns.
settings.register_profile("short", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", settings.get_profile("short"), max_examples=20_000)


def pytest_addoption(parser: pytest.Parser) -> None:
    """For `make soak`, `make fuzz` and `make chaos`."""
    parser.addoption("--long", action="store_true", help="run the long forms of soak, fuzz and chaos tests")
    parser.addoption("--soak-seconds", type=float, default=300.0, help="how long the long form of a soak lasts (300)")


def pytest_configure(config: pytest.Config) -> None:
    """Generated input as long as the form wants it."""
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # whoever runs this in the background has it ignored, for children too
    settings.load_profile("long" if config.getoption("--long") else "short")
    if config.getoption("cov_source", None):  # a worker that is measured writes a file when it ends
        os.environ.setdefault("APPLIANCE_SECCOMP", "off")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark by folder, skip by reason. What takes minutes comes first, so that in the end nobody waits for it alone."""
    config.stash[COLLECTED] = frozenset(item.nodeid for item in items)
    items.sort(key=lambda item: item.get_closest_marker("wheels") is None)
    for item in items:
        for family in FAMILIES:
            if family in Path(item.path).parts:
                item.add_marker(family)
        if item.get_closest_marker("netns") and (obstacle := no_namespaces()):
            item.add_marker(pytest.mark.skip(reason=obstacle))


@pytest.fixture(scope="session")
def collected(pytestconfig: pytest.Config) -> frozenset[str]:
    """The identifiers of all tests that this run has found, `slow` ones too. With files named on the command line: of theirs."""
    return pytestconfig.stash[COLLECTED]


@pytest.fixture(scope="session")
def long_form(request: pytest.FixtureRequest) -> bool:
    """Is this one of `make soak|fuzz|chaos`? Otherwise a test of those families stays within seconds."""
    return bool(request.config.getoption("--long"))


@pytest.fixture(scope="session")
def soak_seconds(request: pytest.FixtureRequest, long_form: bool) -> float:
    """How long to hold; 0: the short form, which does everything once."""
    return float(request.config.getoption("--soak-seconds")) if long_form else 0.0


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Outside of MEASURED, what a test starts runs as an admin has it: with its sandbox, and without coverage, which costs as
    much again."""
    kept: dict[str, str] = {}
    if not item.nodeid.startswith(MEASURED):
        kept = {name: os.environ.pop(name) for name in ("COVERAGE_PROCESS_CONFIG", "APPLIANCE_SECCOMP") if name in os.environ}
    try:
        return (yield)
    finally:
        os.environ |= kept


@cache
def no_namespaces() -> str:
    """Why this machine cannot run a test in namespaces of its own, or an empty string."""
    if os.geteuid() != 0:
        return "needs root"
    if not Path("/dev/net/tun").exists():
        return "needs /dev/net/tun"
    probe = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, text=True, check=False)
    return "" if probe.returncode == 0 else f"needs network namespaces: {probe.stderr.strip()}"
