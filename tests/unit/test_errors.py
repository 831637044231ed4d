"""The error tree: each error says what happened, what to do, how a command ends, and whether to try again."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import pytest

import appliance
from appliance.control.client import ControlError
from appliance.errors import ApplianceError, ExitCode, LocalFault, PeerFault, PluginFault


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
