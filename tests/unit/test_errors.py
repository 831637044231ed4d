"""The error tree: each error says what happened, what to do, how a command ends, and whether to try again."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import appliance
from appliance.control.client import ControlError
from appliance.errors import ApplianceError, ExitCode, LocalFault, PeerFault, PluginFault, place_of


def tree(root: type[ApplianceError]) -> Iterator[type[ApplianceError]]:
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


for module in pkgutil.walk_packages(appliance.__path__, "appliance."):
    if not module.name.startswith(("appliance.testing", "appliance.cli.__main__", "appliance.worker.__main__")):
        importlib.import_module(module.name)
ERRORS = sorted({error for error in tree(ApplianceError) if error.__module__.startswith("appliance.")}, key=lambda e: e.__name__)


def test_there_is_a_tree() -> None:
    assert len(ERRORS) > 20
    assert issubclass(PeerFault, ApplianceError)
    assert not issubclass(LocalFault, PeerFault), "whose fault it is decides what is done"


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_an_error_that_may_pass_says_so_to_callers_and_to_scripts_alike(error: type[ApplianceError]) -> None:
    assert isinstance(error.exit_code, ExitCode)
    assert error.retryable == (error.exit_code is ExitCode.RETRY)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_an_error_says_what_it_is_for(error: type[ApplianceError]) -> None:
    assert inspect.getdoc(error) not in (None, inspect.getdoc(Exception))


def test_a_message_its_hint_and_its_cause_stay_together() -> None:
    error = PluginFault("moon", "raised ZeroDivisionError", hint="report it")
    assert (str(error), error.message, error.hint) == (error.message, "plugin moon: raised ZeroDivisionError", "report it")
    told = ControlError("busy", "another change is under way", exit_code=ExitCode.RETRY)
    assert (told.code, told.retryable) == ("busy", True)


def test_the_place_of_a_mistake_is_where_a_module_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_module.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ZeroDivisionError) as caught:
        importlib.import_module("broken_module")
    place = place_of(caught.value)
    assert place.startswith("ZeroDivisionError at test_errors.py:")
    assert place.endswith(", broken_module.py:1")
    assert "frozen" not in place
