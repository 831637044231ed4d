"""Sockets for the API server and for servers of plugins: one that cannot be opened takes nothing from the others."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.api.profile_management import Listen, Management
from appliance.runtime.management.doors import Doors


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    made = Doors(tmp_path / "api")
    made.open(Management(listen=()))
    yield made
    made.close()
    assert not (tmp_path / "api").exists()


def free() -> tuple[Listen, ...]:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return (Listen.parse(f"127.0.0.1:{found.getsockname()[1]}"),)


def test_each_server_has_sockets_of_its_own_and_keeps_them(doors: Doors) -> None:
    one, other = free(), free()
    assert doors.open_servers({"one": one, "other": other})
    before = doors.descriptors()
    assert {name: len(found) for name, found in before.servers.items()} == {"one": 1, "other": 1}
    assert not doors.open_servers({"one": one, "other": other}), "nothing is different"
    assert doors.descriptors() == before
    assert doors.open_servers({"one": one})
    assert doors.of_servers == {"one": [str(one[0])]}
    socket.create_server((str(other[0].address), other[0].port)).close()


def test_a_port_that_somebody_has_is_told_and_tried_again(doors: Doors) -> None:
    taken, well = free(), free()
    with socket.create_server((str(taken[0].address), taken[0].port)):
        assert doors.open_servers({"one": (*well, *taken), "other": free()})
        assert [*doors.of_servers] == ["other"], "all of its addresses, or none"
        assert list(doors.blocked) == ["one"]
        assert str(taken[0]) in doors.blocked["one"]
    assert doors.open_servers({"one": (*well, *taken)})
    assert doors.blocked == {}
    assert doors.of_servers == {"one": [str(well[0]), str(taken[0])]}
