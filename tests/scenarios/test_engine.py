"""The engine itself, without nodes: it builds, probes what is there, finds what is wrong, and leaves nothing."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from rigs.labs import bare

from appliance.lab import namespace, probing, traces
from appliance.lab.engine import Lab
from appliance.lab.host import Host
from appliance.lab.machines.machine import LabFailure
from appliance.lab.naming import Tag, new_tag

pytestmark = pytest.mark.netns


async def test_probes_pass_over_a_bare_wire_and_find_what_it_lacks() -> None:
    entries = [
        {"probe": "ping", "from": "a", "to": "b"},
        {"probe": "mtu", "from": "a", "to": "b"},
        {"probe": "transfer", "from": "a", "to": "b", "size": "3MiB"},
        {"probe": "throughput", "from": "a", "to": "b", "seconds": "200ms"},
        {"probe": "isolation", "from": "a", "to": "b"},
        {"probe": "hops", "from": "a", "to": "b"},
    ]
    async with Lab(bare("a", "b", probes=entries), start=False) as lab:
        results = {asked.name: await probing.ask(lab, asked) for asked in probing.questions(lab.definition)}
    failed = {name for name, result in results.items() if not result.ok}
    assert failed == {"isolation-v4", "isolation-v6", "hops-v4", "hops-v6"}, "a cable neither checks sources nor counts hops"
    assert lab.left_behind == []


async def test_throughput_has_a_measure_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    entries = [{"probe": "throughput", "from": "a", "to": "b", "seconds": "200ms"}]
    async with Lab(bare("a", "b", probes=entries), start=False) as lab:
        results = [await probing.ask(lab, asked) for asked in probing.questions(lab.definition)]
    assert [result.ok for result in results] == [True, True]
    assert all(result.value for result in results)


async def test_a_switch_connects_more_than_two() -> None:
    async with Lab(bare("a", "b", "c"), start=False) as lab:
        for other in ("192.168.9.2", "192.168.9.3", "fd09::3"):
            (await lab.host("a").run(["ping", "-c1", "-W60", other])).must_work()
    assert lab.left_behind == []


async def test_a_failing_probe_is_a_result() -> None:
    entries = [{"probe": "transfer", "from": "a", "to": "b"}, {"probe": "isolation", "from": "a", "to": "b"}]
    async with Lab(bare("a", "b", probes=entries), start=False) as lab:
        (await lab.host("b").run(["ip", "addr", "flush", "dev", "wan"])).must_work()
        results = [await probing.ask(lab, asked) for asked in probing.questions(lab.definition)]
    assert not any(result.ok for result in results)
    assert all(result.detail for result in results)


async def test_everything_goes_when_a_step_fails() -> None:
    lab = Lab(bare("a", "b"), start=False)
    strays = []

    async def failing() -> None:
        async with lab:
            strays.append(sleeper(lab.host("a").namespace.enter([]), lab.host("a").environ()))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await failing()
    assert strays[0].wait(60) == -signal.SIGKILL
    assert lab.left_behind == []
    assert not [name for name in namespace.existing() if lab.tag.names(name)]


async def test_a_signal_during_the_removal_does_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab(bare("a", "b"), start=False)
    removal_began, signalled = asyncio.Event(), asyncio.Event()

    async def while_a_host_is_slow(_: Host) -> list[str]:
        removal_began.set()
        await signalled.wait()
        return []

    async def run() -> None:
        async with lab:
            monkeypatch.setattr(Host, "end_node", while_a_host_is_slow)

    running = asyncio.create_task(run())
    await removal_began.wait()
    running.cancel()
    asyncio.get_running_loop().call_soon(signalled.set)
    with pytest.raises(asyncio.CancelledError):
        await running
    assert lab.left_behind == []


async def test_a_host_that_cannot_be_built_takes_the_others_with_it() -> None:
    lab = Lab(bare("a", "b"), start=False)
    taken = f"{lab.tag}-b"
    namespace.ip("netns", "add", taken)
    with pytest.raises(Exception, match="netns add"):
        await lab.__aenter__()
    assert lab.left_behind == []


async def test_nodes_that_do_not_come_up_are_a_failure_with_their_logs() -> None:
    definition = bare("a", "b").model_copy(deep=True)
    lab = Lab(definition, start=False)
    async with lab:
        lab.host("a").profile.write_text("profile: 7\n")
        lab.host("a").start()
        with pytest.raises(LabFailure, match="ended with 2"):
            await lab.until(lambda: lab.host("a").status() is not None, 20)
        lab.keep_logs()
    assert lab.kept_logs is not None
    assert "profile" in (lab.kept_logs / "a.node.log").read_text()
    shutil.rmtree(lab.kept_logs)
    assert lab.left_behind == []


async def test_a_killed_labs_things_are_swept() -> None:
    dead = Tag(4_194_305, 7, 1)  # no process has a number above PID_MAX_LIMIT
    name, scratch = f"{dead}-left", Path(tempfile.gettempdir()) / f"{dead}.x"
    scratch.mkdir()
    namespace.ip("netns", "add", name)
    stray = sleeper([], os.environ | {"APPLIANCE_STATE_DIR": f"{scratch}/left/state"})
    traces.sweep()  # or another lab that is built meanwhile, which may have begun and not ended
    assert await asyncio.to_thread(stray.wait, 60) == -signal.SIGKILL
    async with asyncio.timeout(60):
        while scratch.exists() or name in namespace.existing():  # noqa: ASYNC110  who sweeps tells nobody here
            await asyncio.sleep(0.01)


def test_two_who_remove_the_same_namespace_both_succeed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each lab sweeps what killed ones left."""
    one = namespace.Namespace(str(new_tag()))
    one.create()
    monkeypatch.setattr(namespace, "kill_inhabitants", lambda _inode: namespace.ip("netns", "del", one.name))
    one.delete()
    assert not one.exists


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_removes_everything(tmp_path: Path, number: signal.Signals) -> None:
    file = tmp_path / "slow.yaml"
    definition = bare("a", "b", probes=[{"probe": "ping", "from": "a", "to": "b", "count": 1000}])
    file.write_text(definition.model_dump_json(by_alias=True, exclude_none=True))
    process = subprocess.Popen(
        [sys.executable, "-m", "appliance.cli", "lab", file, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    said = next(line for line in process.stderr if "removed what killed labs left" not in line)  # other tests kill labs
    assert "2 hosts built" in said
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    document = json.loads(out)
    assert process.returncode == 128 + number
    assert document["problem"] == "interrupted"
    assert document["left_behind"] == []
    assert not [name for name in namespace.existing() if name.startswith(f"lab-{process.pid}-")]


def sleeper(prefix: list[str], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """A process that has arrived where `prefix` sends it, and stays until it is killed."""
    process = subprocess.Popen([*prefix, "sh", "-c", "echo; exec sleep 1000"], env=environ, stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
    return process
