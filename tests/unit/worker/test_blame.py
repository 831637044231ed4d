"""Whose code raised: the object is found through the functions of its module, so that a link whose driver fails is given up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.worker.blame import Blame

DRIVER = """
def helper():
    raise KeyError("nasty")


class Driver:
    def receive(self):
        helper()

    def send(self):
        raise KeyError("nasty")
"""


@pytest.fixture
def module() -> Mapping[str, Any]:
    """A plugin's module, with a driver."""
    found = {"__name__": "appliance_transport_nasty.driver"}
    exec(compile(DRIVER, "/somewhere/driver.py", "exec"), found)
    return found


def raised_by(called: Callable[[], object]) -> BaseException:
    try:
        called()
    except KeyError as error:
        return error
    raise AssertionError("it raised nothing")


def blame(module: Mapping[str, Any]) -> Blame:
    return Blame({"appliance_transport_nasty.driver:Driver": module["Driver"]})


@pytest.mark.parametrize(("method", "place"), [("send", "send (driver.py:11)"), ("receive", "helper (driver.py:3)")])
def test_an_object_is_to_blame_for_its_method_and_for_a_function_that_this_one_calls(
    module: Mapping[str, Any], method: str, place: str
) -> None:
    driver = module["Driver"]()
    fault = blame(module).of(raised_by(getattr(driver, method)))
    assert fault == ("appliance_transport_nasty.driver:Driver", driver, f"KeyError in {place}")


def test_a_function_that_no_object_called_is_to_blame_alone(module: Mapping[str, Any]) -> None:
    fault = blame(module).of(raised_by(module["helper"]))
    assert fault is not None
    assert fault.subject is None


def test_nobody_is_to_blame_for_what_others_raise(module: Mapping[str, Any]) -> None:
    assert blame(module).of(raised_by(lambda: SimpleNamespace().__dict__["missing"])) is None
