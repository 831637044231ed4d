"""Where the API server cannot run as the profile says, the node says so, and tries again."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from appliance.api.management import Principal
from appliance.api.profile_management import Listen, Management
from appliance.control.conversation import Patience, Request
from appliance.errors import HostError
from appliance.plugin_host.plugins import PluginHost
from appliance.runtime.management import part as module
from appliance.runtime.management.api_plugins import ApiPlugins
from appliance.runtime.management.doors import Descriptors
from appliance.runtime.management.part import Joints, ManagementPart
from appliance.runtime.management.process import Loads, check_libraries
from appliance.runtime.plugins.account import Part
from appliance.runtime.plugins.calls import PluginCalls
from appliance.runtime.plugins.services import REPORT

NO_PLUGINS = ApiPlugins(PluginHost.load([]), PluginCalls())


class Process:
    """Runs nothing, and knows where it would listen."""

    def __init__(self, died: Callable[[int], None]) -> None:
        self.died = died
        self.pid = 0
        self.listening = 0
        self.servers: dict[str, int] = {}

    def start(self, _folder: Path, _control: socket.socket, doors: Descriptors, *, loads: Loads) -> None:
        assert not loads.words
        self.pid, self.listening = 1, len(doors.tcp)
        self.servers = {name: len(found) for name, found in doors.servers.items()}

    async def stop(self) -> None:
        self.pid = 0


def attend(connection: socket.socket, principal: Principal, patience: Patience) -> asyncio.Task[None]:
    del principal, patience
    connection.close()
    return asyncio.get_running_loop().create_task(asyncio.sleep(0))


async def test_a_port_that_somebody_has_is_tried_again_and_the_others_are_served_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ApiServerProcess", Process)
    monkeypatch.setattr(module, "PAUSES", (0.01,))

    joints = Joints(attend, tmp_path, tmp_path / "api", dict, lambda _: None, NO_PLUGINS)
    part = ManagementPart(joints)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        await part.use(Management.model_validate({"listen": [f"127.0.0.1:{taken.getsockname()[1]}"]}))
        assert "cannot listen" in part.problem
        process = part._process
        assert isinstance(process, Process)
        assert (process.pid, process.listening) == (1, 0), "it answers at the Unix socket"
        assert joints.path.is_socket()
    async with asyncio.timeout(60):
        while part.problem:  # noqa: ASYNC110  nobody tells when it is over
            await asyncio.sleep(0.01)
    assert process.listening == 1
    await part.close()
    await part.use(Management())
    assert not process.pid, "what has ended is started by nobody"


async def test_a_server_whose_port_somebody_has_is_a_problem_of_its_own_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ApiServerProcess", Process)
    monkeypatch.setattr(module, "PAUSES", (0.01,))

    with socket.create_server(("127.0.0.1", 0)) as taken:
        wanted = (Listen.parse(f"127.0.0.1:{taken.getsockname()[1]}"),)

        class Plugins(ApiPlugins):
            def servers(self, management: Management) -> tuple[dict[str, Sequence[Listen]], dict[str, str]]:
                return {"echo": wanted}, {"odd": "no settings"}

        plugins = Plugins(PluginHost.load([]), PluginCalls())
        part = ManagementPart(Joints(attend, tmp_path, tmp_path / "api", dict, lambda _: None, plugins))
        await part.use(Management.model_validate({"listen": [], "servers": {"echo": {}, "odd": {}}}))
        process = part._process
        assert isinstance(process, Process)
        assert (part.problem, process.pid, process.servers) == ("", 1, {}), "everything else runs"
        assert "cannot listen" in part.problems()["management.servers.echo"]
        assert part.problems()["management.servers.odd"] == "no settings"
    async with asyncio.timeout(60):
        while "management.servers.echo" in part.problems():  # noqa: ASYNC110  nobody tells when it is over
            await asyncio.sleep(0.01)
    assert process.servers == {"echo": 1}
    assert (part.shown() or {})["servers"] == {"echo": [str(wanted[0])]}
    await part.use(None)
    assert part.problems()["management"] == ""
    socket.create_server(("127.0.0.1", wanted[0].port)).close()
    await part.close()


async def test_what_cannot_be_started_is_no_process_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ApiServerProcess", Process)
    part = ManagementPart(Joints(attend, tmp_path, tmp_path / "api", dict, lambda _: None, NO_PLUGINS))
    await part.use(Management.model_validate({"listen": []}))
    assert part._watch._next is not None

    def refuse(_self: Process, *_: object, loads: Loads) -> None:
        del loads
        raise HostError("no memory")

    monkeypatch.setattr(Process, "start", refuse)
    await part.use(Management.model_validate({"listen": [], "limits": {"connections": 7}}))
    assert (part.problem, part._watch._next) == ("no memory", None)
    await part.close()


async def test_what_is_wrong_with_parts_of_the_api_server_is_what_it_said_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ApiServerProcess", Process)
    part = ManagementPart(Joints(attend, tmp_path, tmp_path / "api", dict, lambda _: None, NO_PLUGINS))
    await part.use(Management.model_validate({"listen": []}))

    async def said(trouble: object) -> dict[str, str]:
        answer = part.operations()["api_alive"].handler(Request(Principal("api-server", "api-server"), {"trouble": trouble}))
        assert isinstance(answer, Awaitable)
        await answer
        return {key: problem for key, problem in part.problems().items() if problem}

    assert await said({"store": "it is full", "grpc": "x" * 10_000, "of a later version": "y"}) == {
        "management.store": "it is full",
        "management.grpc": "x" * module.MOST_WORDS,
    }
    assert await said("nonsense") == {}
    await said({"store": "it is full"})
    await part.use(None)
    assert not any(part.problems().values())


async def test_what_is_wrong_with_a_plugin_in_the_api_server_is_forgotten_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one may run well from the start, and has nothing to tell then."""
    monkeypatch.setattr(module, "ApiServerProcess", Process)
    told: list[tuple[Part, str]] = []

    class Calls(PluginCalls):
        def reported(self, part: Part, problem: str) -> None:
            told.append((part, problem))

    plugins = ApiPlugins(PluginHost.load([]), Calls())
    part = ManagementPart(Joints(attend, tmp_path, tmp_path / "api", dict, lambda _: None, plugins))
    pipe = Part("export", "pipe", REPORT)
    for section in ({"limits": {"connections": 7}}, None):
        await part.use(Management.model_validate({"listen": [], "exports": {"pipe": {}}}))
        itself = Request(Principal("api-server", "api-server"), {"key": "exports", "name": "pipe", "problem": "down"})
        answer = part.operations()["api_part"].handler(itself)
        assert isinstance(answer, Awaitable)
        await answer
        assert told == [(pipe, "down")]
        await part.use(None if section is None else Management.model_validate({"listen": [], **section}))
        assert told == [(pipe, "down"), (pipe, "")]
        assert not any(part.problems().values())
        told.clear()
    await part.close()


async def test_why_it_ended_is_what_it_said_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ApiServerProcess", Process)
    part = ManagementPart(Joints(attend, tmp_path, tmp_path / "api", dict, lambda _: None, NO_PLUGINS))
    await part.use(Management.model_validate({"listen": []}))
    itself = Request(Principal("api-server", "api-server"), {"reason": "the store is used by another process"})
    answer = part.operations()["api_failed"].handler(itself)
    assert isinstance(answer, Awaitable)
    await answer
    process = part._process
    assert isinstance(process, Process)
    process.died(1)
    assert part.problem == "the API server ended with exit code 1: the store is used by another process"
    process.died(-9)
    assert part.problem == "the API server ended by signal 9: the store is used by another process"
    await part.close()


async def test_what_the_api_server_is_short_of_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ApiServerProcess", Process)
    part = ManagementPart(Joints(attend, tmp_path, tmp_path / "api", dict, lambda _: None, NO_PLUGINS))
    await part.use(Management.model_validate({"listen": []}))
    shown = []
    for told in ({"memory": "31 MiB", "else": "?"}, "rubbish", None):
        answer = part.operations()["api_alive"].handler(Request(Principal("api-server", "api-server"), {"short": told}))
        assert isinstance(answer, Awaitable)
        await answer
        shown.append((part.shown() or {})["short"])
    assert shown == [{"memory": "31 MiB"}, {}, {}]
    await part.close()


async def test_other_limits_of_pressure_start_it_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ApiServerProcess", Process)
    about, started = {"pressure": {"late": "1s"}}, list[int]()
    start = Process.start
    monkeypatch.setattr(Process, "start", lambda self, *args, **more: (started.append(1), start(self, *args, **more)))
    part = ManagementPart(Joints(attend, tmp_path, tmp_path / "api", lambda: dict(about), lambda _: None, NO_PLUGINS))
    for _ in range(2):
        await part.use(Management.model_validate({"listen": []}))
    assert len(started) == 1
    about["pressure"] = {"late": "2s"}
    await part.use(Management.model_validate({"listen": []}))
    assert len(started) == 2
    await part.close()


def test_without_the_extra_it_is_said_what_to_install() -> None:
    with pytest.raises(HostError, match="no_such_library") as told:
        check_libraries(("socket", "no_such_library"))
    assert "appliance[management]" in told.value.hint
