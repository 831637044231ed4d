"""What became of each test of a check: of which plugin it tells, of which part, and where in the plugin's own code."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from importlib import import_module
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any

import pytest

from appliance.plugin_host.checking import Failure
from appliance.plugin_host.plugins import PluginHost

if TYPE_CHECKING:
    from appliance.testing.parts import Part

PLACE = re.compile(r"([\w./-]+\.py:\d+)")
MOST = 300
"""Characters of a reason."""


class Recorder:
    """A pytest plugin that gives pytest the tests of what `host` has loaded, counts and names."""

    def __init__(self, host: PluginHost) -> None:
        self.passed: Counter[str] = Counter()
        self.skipped = 0
        self.why_skipped: set[str] = set()
        self.failures: list[Failure] = []
        self._host = host
        self._parts: dict[str, Part] = {}

    def pytest_configure(self) -> None:
        """Called before the suites are imported: they get reasons that say more than "AssertionError"."""
        pytest.register_assert_rewrite("appliance.testing.conformance")

    def collect(self) -> Mapping[str, type[Any]]:
        """The test classes by name."""
        from appliance.testing.parts import suites_of, wishes_of

        suites = suites_of(self._host, wishes_of(self._host))
        self._parts = {name: suite.part for name, suite in suites.items()}
        return {name: suite.tests for name, suite in suites.items()}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Function, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Called for set-up, call and tear-down of each test."""
        report = yield
        part = self._parts[item.cls.__name__]
        if report.failed:
            error = call.excinfo.value if call.excinfo else None
            test = item.name.removeprefix("test_").replace("_", " ")
            reason = _said(error) if error else _last_line(report.longreprtext)
            where = self._frame(part.plugin, error) or _place(reason) or defined_at(part.source)
            self.failures.append(Failure(part.plugin, part.title, test, reason, where))
        elif report.skipped:
            self.skipped += 1
            self.why_skipped.add(str(report.longrepr[-1] if isinstance(report.longrepr, tuple) else "").removeprefix("Skipped: "))
        elif report.when == "call":
            self.passed[part.title] += 1
        return report

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Called when tests could not be collected, too."""
        if report.failed:
            self.failures.append(Failure("", "", "collecting its tests", _last_line(report.longreprtext), ""))

    def _frame(self, plugin: str, error: BaseException | None) -> str:
        """The innermost line of the plugin's own code in a traceback."""
        where, trace = "", error.__traceback__ if error else None
        while trace is not None:
            if self._host.owners.of_module(str(trace.tb_frame.f_globals.get("__name__", ""))) == plugin:
                where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
            trace = trace.tb_next
        return where


def defined_at(source: str | Callable[..., Any] | None) -> str:
    """Where something of a plugin begins; empty when that cannot be found."""
    if isinstance(source, str):
        module, _, name = source.partition(":")
        try:
            source = getattr(import_module(module), name)
        except Exception:  # noqa: BLE001  told by another test
            return ""
    code = getattr(inspect.unwrap(source), "__code__", None) if callable(source) else None
    if isinstance(code, CodeType):
        return f"{code.co_filename}:{code.co_firstlineno}"
    try:
        return f"{inspect.getsourcefile(source)}:{inspect.getsourcelines(source)[1]}"  # type: ignore[arg-type]
    except (TypeError, OSError):
        return ""


def _said(error: BaseException) -> str:
    """The first line of what a test says, with the kind of error where it is no judgement of the test's own."""
    first = next(iter(str(error).strip().splitlines()), "")
    judged = isinstance(error, AssertionError | pytest.fail.Exception)
    return (first if judged and first else f"{type(error).__name__}: {first}".rstrip(": "))[:MOST]


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1][:MOST]


def _place(reason: str) -> str:
    """A limit that ended something says where that was."""
    found = PLACE.search(reason)
    return found[1] if found and "appliance/testing" not in Path(found[1]).as_posix() else ""
