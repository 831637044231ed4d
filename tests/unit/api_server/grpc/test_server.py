"""A foreign gRPC client: every row, who may not, streams, health, reflection, TLS."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from appliance.api_server.answering import Answering, Call
from appliance.api_server.asking import Asking
from appliance.api_server.caller import Caller, Unauthenticated
from appliance.api_server.grpc import server as grpc_server
from appliance.management.descriptions.proto import call_name
from appliance.management.operations.table import ROWS
from tests.unit.api_server.edge.test_tls import pair
from tests.unit.api_server.grpc.rig import METHODS, NAMED, spoken


async def refused(call: Any) -> tuple[grpc.StatusCode, dict[str, Any]]:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    told = dict(raised.value.trailing_metadata())
    problem = json.loads(told["problem-bin"])
    assert problem["instance"] == f"urn:request:{told['x-request-id']}"
    return raised.value.code(), problem


async def test_every_row_is_a_call_and_is_answered(tmp_path: Path) -> None:
    async with spoken(tmp_path) as node:
        assert METHODS.keys() == {call_name(row.name) for row in ROWS}
        for row in ROWS:
            if row.stream or not (row.example or not any(each.is_required() for each in row.arguments.model_fields.values())):
                continue
            call = node.call(call_name(row.name), "admin", **row.example)
            await call
            assert await call.code() is grpc.StatusCode.OK, row.name
            assert dict(await call.trailing_metadata())["x-request-id"]


async def test_a_caller_needs_a_token_and_a_role(tmp_path: Path) -> None:
    async with spoken(tmp_path) as node:
        code, problem = await refused(node.call("Status"))
        assert (code, problem["code"]) == (grpc.StatusCode.UNAUTHENTICATED, "Unauthenticated")
        code, problem = await refused(node.call("Status", "forged"))
        assert code is grpc.StatusCode.UNAUTHENTICATED
        code, problem = await refused(node.call("Confirm", "viewer", metadata=(("x-request-id", "mine-1"),)))
        assert (code, problem["code"], problem["instance"]) == (
            grpc.StatusCode.PERMISSION_DENIED, "Forbidden", "urn:request:mine-1",
        )  # fmt: skip
        assert (await node.call("Status", "viewer")).name


async def test_wrong_arguments_are_refused_as_over_http(tmp_path: Path) -> None:
    async with spoken(tmp_path) as node:
        code, problem = await refused(node.call("UsersGet", "admin"))
        assert (code, problem["code"]) == (grpc.StatusCode.INVALID_ARGUMENT, "Invalid")
        assert problem["problems"][0]["path"] == "name"


async def test_an_argument_leads_to_no_other_operation(tmp_path: Path) -> None:
    async with spoken(tmp_path) as node:
        code, _ = await refused(node.call("UsersGet", "viewer", name="profile"))
        assert code is grpc.StatusCode.PERMISSION_DENIED  # /users/profile anybody may ask


async def test_a_stream_has_items_and_goes_on_behind_a_cursor(tmp_path: Path) -> None:
    async with spoken(tmp_path) as node:
        name = next(call_name(row.name) for row in ROWS if row.stream and not row.in_path)
        assert [item.id async for item in node.call(name, "viewer")] == ["1", "2", "3"]
        assert [item.id async for item in node.call(name, "viewer", after="2")] == ["3"]
        stream = node.call(name)
        with pytest.raises(grpc.aio.AioRpcError, match="needs a token"):
            await stream.read()


async def test_who_asks_too_much_is_told_when_to_come_again(tmp_path: Path) -> None:
    async with spoken(tmp_path, section={"limits": {"requests": 1, "burst": 1}}) as node:
        answers = await asyncio.gather(*(told(node.call("Status", "viewer")) for _ in range(50)))
    refusals = [each for each in answers if each]
    assert {each.code() for each in refusals} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert all(int(dict(each.trailing_metadata())["retry-after"]) >= 1 for each in refusals)


async def told(call: Any) -> grpc.aio.AioRpcError | None:
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error
    return None


async def test_a_message_that_is_too_large_is_refused(tmp_path: Path) -> None:
    async with spoken(tmp_path) as node:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await node.call("UsersGet", "admin", name="a" * (1 << 20))
        assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_message_that_is_large_only_when_it_is_unpacked_is_refused_before_it_is(tmp_path: Path) -> None:
    async with spoken(tmp_path) as node:
        options = [("grpc.max_send_message_length", -1)]
        target = f"127.0.0.1:{node.port}"
        async with grpc.aio.insecure_channel(target, options, compression=grpc.Compression.Gzip) as packing:
            with pytest.raises(grpc.aio.AioRpcError, match="larger than max") as raised:
                await node._replace(channel=packing).call("UsersGet", "admin", name="a" * (16 << 20))
            assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_health_and_reflection_need_no_token(tmp_path: Path) -> None:
    async with spoken(tmp_path) as node:
        health = health_pb2_grpc.HealthStub(node.channel)
        for service in ("", "appliance.v1.NodeService"):
            said = await health.Check(health_pb2.HealthCheckRequest(service=service))
            assert said.status == health_pb2.HealthCheckResponse.SERVING
        reflecting = reflection_pb2_grpc.ServerReflectionStub(node.channel)
        ask = reflection_pb2.ServerReflectionRequest
        answers = [
            each
            async for each in reflecting.ServerReflectionInfo(
                iter([ask(list_services=""), ask(file_containing_symbol="appliance.v1.NodeService")])
            )
        ]
        listed = {each.name for each in answers[0].list_services_response.service}
        assert listed >= {each.containing_service.full_name for each in METHODS.values()} | {"grpc.health.v1.Health"}
        pool = descriptor_pool.DescriptorPool()
        for module in ("empty", "struct"):
            pool.AddSerializedFile(descriptor_pool.Default().FindFileByName(f"google/protobuf/{module}.proto").serialized_pb)
        pool.AddSerializedFile(answers[1].file_descriptor_response.file_descriptor_proto[0])
        assert pool.FindServiceByName("appliance.v1.NodeService")


async def someone(token: str) -> Caller:
    return Caller(token, (token,), "api-token")


async def test_a_caller_that_goes_ends_a_question_but_no_change(tmp_path: Path) -> None:
    begun, go_on, ended = asyncio.Queue[str](), asyncio.Event(), asyncio.Queue[str]()

    async def slow(call: Call) -> Any:
        begun.put_nowait(call.row.name)
        try:
            await go_on.wait()
        except asyncio.CancelledError:
            ended.put_nowait(f"{call.row.name} was cancelled")
            raise
        ended.put_nowait(f"{call.row.name} is done")
        return {"name": "a"}

    async def node(*_: Any) -> Any:
        raise AssertionError

    answering = Answering(Asking(node, lambda: 0.0), someone, {}, {"users.get": slow, "users.change": slow})
    async with spoken(tmp_path, answering) as served:
        for name in ("UsersGet", "UsersChange"):
            call = served.call(name, "admin", name="a")
            await begun.get()
            call.cancel()
            if name == "UsersGet":
                assert await ended.get() == "users.get was cancelled"
        go_on.set()
        assert await ended.get() == "users.change is done"
        go_on.clear()
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await served.call("UsersGet", "admin", seconds=0.5, name="a")
        assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert await ended.get() == "users.get was cancelled"


async def test_a_mistake_of_ours_is_not_told(tmp_path: Path) -> None:
    async def strange(_call: Call) -> Any:
        return {"name": 7, "secret": "a secret"}

    async def node(*_: Any) -> Any:
        raise AssertionError

    async with spoken(tmp_path, Answering(Asking(node, lambda: 0.0), someone, {}, {"users.get": strange})) as served:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await served.call("UsersGet", "admin", name="a")
    assert raised.value.code() is grpc.StatusCode.INTERNAL
    assert raised.value.details() == "users.get failed: this should not have happened"


async def test_the_end_cuts_off_what_goes_on_for_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = asyncio.Event()
    monkeypatch.setattr(grpc_server, "END_SECONDS", 0.1)

    async def hangs(_call: Call) -> Any:
        begun.set()
        await asyncio.Event().wait()

    async def node(*_: Any) -> Any:
        raise AssertionError

    async with spoken(tmp_path, Answering(Asking(node, lambda: 0.0), someone, {}, {"users.change": hangs})) as served:
        call = served.call("UsersChange", "admin", name="a")
        await begun.wait()
        await served.server.close()
        assert await call.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}


async def test_tls_is_that_of_the_edge(tmp_path: Path) -> None:
    certificate, key = pair("localhost")
    files = {"certificate": certificate, "key": key, "clients": ""}
    section = {"tls": {"loopback": True, "certificate": "/c", "key": "/k"}}
    trusted = grpc.ssl_channel_credentials(certificate.encode())
    async with spoken(tmp_path, None, section, files, trusted) as node:
        assert (await node.call("Status", "viewer")).name
        async with grpc.aio.insecure_channel(f"127.0.0.1:{node.port}") as plain:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await health_pb2_grpc.HealthStub(plain).Check(health_pb2.HealthCheckRequest(), timeout=60)
            assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_certificate_is_a_user_and_nobody_gets_in_without_one(tmp_path: Path) -> None:
    (certificate, key), (hers, her_key) = pair("localhost"), pair("alice.example.net")
    files = {"certificate": certificate, "key": key, "clients": hers}
    section = {
        "tls": {"loopback": True, "certificate": "/c", "key": "/k", "clients": "/b", "users": {"alice.example.net": "alice"}}
    }

    async def named(name: str) -> Caller:
        if name != "alice":
            raise Unauthenticated("nobody is called so")
        return Caller(name, ("viewer",), "certificate")

    known = grpc.ssl_channel_credentials(certificate.encode(), her_key.encode(), hers.encode())
    async with spoken(tmp_path, None, section, files, known) as node:
        node.edge.named = named
        assert (await node.call("Status")).name
        code, _ = await refused(node.call("Confirm"))
        assert code is grpc.StatusCode.PERMISSION_DENIED
        stranger = grpc.ssl_channel_credentials(certificate.encode())
        async with grpc.aio.secure_channel(f"127.0.0.1:{node.port}", stranger, NAMED) as without:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await health_pb2_grpc.HealthStub(without).Check(health_pb2.HealthCheckRequest(), timeout=60)
            assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
