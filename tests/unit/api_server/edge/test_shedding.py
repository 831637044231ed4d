"""Who is turned away while something is short, over real connections."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.datastructures import Headers
from starlette.types import Scope

from appliance.api_server.caller import LOCAL
from appliance.api_server.edge.shedding import ALWAYS, OF_THE_KNOWN, Shedding
from appliance.api_server.refusals import Overloaded
from appliance.management.operations.table import BY_NAME
from appliance.protocol.pressure import CONFIRM, EXHAUSTED_AT, Grade, Left, Limits, Pressure, Readings, Resource
from tests.rigs.edge import edged

TOKEN = {"Authorization": "Bearer x"}


def short_of(resource: Resource, grade: Grade) -> Pressure:
    pressure = Pressure(Limits())
    free = {Grade.STRAINED: 12, Grade.EXHAUSTED: 1}[grade] << 20
    late = {Grade.STRAINED: 1.5, Grade.EXHAUSTED: 2 * EXHAUSTED_AT}[grade]
    few = Left(free if resource is not Resource.DESCRIPTORS else free >> 19, 1 << 62)
    readings = {Resource.CPU: Readings(late=late)}.get(resource) or Readings(**{str(resource): few})
    while pressure.grade(resource) is not grade:
        pressure.take(readings)
    return pressure


def scope(path: str = "/api/v1/status", method: str = "GET", **more: Any) -> Scope:
    return {"type": "http", "path": path, "method": method, "client": ("192.0.2.1", 1), "state": {}} | more


def refused(pressure: Pressure, asked: Scope, **fields: str) -> str:
    try:
        Shedding(pressure).judge(asked, Headers(fields))
    except Overloaded as error:
        return error.reason
    return ""


@pytest.mark.parametrize("resource", [Resource.CPU, Resource.MEMORY])
def test_strangers_come_last(resource: Resource) -> None:
    strained, exhausted = (short_of(resource, grade) for grade in (Grade.STRAINED, Grade.EXHAUSTED))
    assert refused(strained, scope()) == refused(exhausted, scope()) == f"short-{resource}"
    assert not refused(strained, scope(), authorization="Bearer x")
    assert refused(exhausted, scope(), authorization="Bearer x") == f"short-{resource}"
    by_certificate = scope(state={"who": object()})
    assert not refused(strained, by_certificate)
    assert refused(exhausted, by_certificate)


def test_connections_of_strangers_are_not_taken_while_something_but_disk_is_short() -> None:
    reasons = [Shedding(short_of(resource, Grade.STRAINED)).of_strangers() for resource in Resource]
    assert reasons == ["short-cpu", "short-memory", "short-descriptors", ""]
    assert not Shedding(Pressure(Limits())).of_strangers()


@pytest.mark.parametrize("resource", list(Resource))
@pytest.mark.parametrize("path", sorted(ALWAYS))
def test_health_is_always_told(resource: Resource, path: str) -> None:
    assert not refused(short_of(resource, Grade.EXHAUSTED), scope(path))


@pytest.mark.parametrize("uid", [0, 4711])
def test_root_at_the_unix_socket_mends_what_is_wrong(uid: int) -> None:
    exhausted = short_of(Resource.MEMORY, Grade.EXHAUSTED)
    assert bool(refused(exhausted, scope(client=(LOCAL, uid)))) == (uid != 0)


def test_who_was_logged_in_stays_so_and_who_logs_in_waits() -> None:
    strained = short_of(Resource.MEMORY, Grade.STRAINED)
    assert all(not refused(strained, scope(path, "POST")) for path in OF_THE_KNOWN)
    for name in ("auth.login", "auth.register"):
        assert refused(strained, scope(BY_NAME[name].full_path, "POST"))


def test_without_disk_one_can_still_read() -> None:
    exhausted = short_of(Resource.DISK, Grade.EXHAUSTED)
    assert not refused(exhausted, scope())
    assert not refused(exhausted, scope(type="websocket"))
    assert refused(exhausted, scope(method="DELETE"), authorization="Bearer x") == "short-disk"


def test_a_websocket_of_a_stranger_waits_too() -> None:
    assert refused(short_of(Resource.CPU, Grade.STRAINED), scope(type="websocket")) == "short-cpu"


async def test_over_a_connection_it_is_a_503_that_says_when_to_come_again_and_is_counted() -> None:
    pressure = Pressure(Limits())
    async with edged(pressure=pressure) as server:
        assert (await server.get())[0] == 200
        for _ in range(CONFIRM):
            pressure.take(Readings(memory=Left(40 << 20, 1 << 40)))
        status, fields, body = await server.get()
        assert (status, body["code"], body["retryable"], int(fields["retry-after"])) == (503, "Overloaded", True, 11)
        assert (await server.get("/not-there", **TOKEN))[0] == 404, "who says who he is reaches the application"
        shown = server.edge.shown()
        assert shown["refused"] == {"short-memory": 1}
        assert shown["short"] == {"memory": "40 MiB of memory can still be had"}
