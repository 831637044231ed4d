"""What a driver can do is told without isinstance, which opens a file of the library from Python 3.12 on: the worker may not."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

import pytest

from appliance.api import transport
from appliance.worker import abilities

ROOT = Path(__file__).parents[3]
FOLDERS = ("appliance/worker", "appliance/dataplane", "appliance/wire")
PROTOCOLS = {
    name for name, kind in inspect.getmembers(transport, inspect.isclass) if getattr(kind, "_is_runtime_protocol", False)
}


def own_members(protocol: Any) -> set[str]:
    """What it has besides those of every driver."""
    return {name for name in {*vars(protocol), *inspect.get_annotations(protocol)} if not name.startswith("_")}


def test_the_members_are_those_of_the_protocols() -> None:
    assert set(abilities.ADAPTIVE) == own_members(transport.AdaptiveDriver)
    assert set(abilities.OFFLOADING) == own_members(transport.OffloadingDriver)


class Plain:
    """A driver that can do nothing besides."""


class Able:
    """One that can do all."""

    offload_problem = ""

    def try_offload(self) -> None:
        """Once more."""

    def shape(self, datagram: int) -> None:
        """Into so many bytes."""

    def transmit_whole(self, length: int) -> None:
        """One datagram."""


@pytest.mark.parametrize(("driver", "able"), [(Able(), True), (Plain(), False), (None, False)])
def test_a_driver_is_asked_for_its_members(driver: Any, *, able: bool) -> None:
    assert abilities.adapts(driver) is able
    assert abilities.offloads(driver) is able


def test_the_worker_asks_no_protocol_by_isinstance() -> None:
    assert "OffloadingDriver" in PROTOCOLS
    found = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for folder in FOLDERS
        for path in sorted((ROOT / folder).glob("*.py"))
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "isinstance"
        for name in ast.walk(call.args[1])
        if isinstance(name, ast.Name) and name.id in PROTOCOLS
    ]
    assert not found
