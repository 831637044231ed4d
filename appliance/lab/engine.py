"""A running lab: built from its definition, removed without a trace. For the command, for tests and for benchmarks.

async with Lab(definition) as lab:
    await lab.host("left").run(["ping", "-c1", "10.70.0.2"])
"""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from appliance.errors import HostError
from appliance.foundation import clock
from appliance.lab.definition import LabFile
from appliance.lab.host import Host
from appliance.lab.layout import Layout, layout_of
from appliance.lab.machines.creation import create
from appliance.lab.machines.machine import LabFailure
from appliance.lab.membership import Membership
from appliance.lab.naming import new_tag
from appliance.lab.profiles import as_yaml, profile_of
from appliance.lab.rig import Namespaces, Rig
from appliance.lab.router import Router
from appliance.lab.switch import Switch
from appliance.lab.topics import TopicReaders
from appliance.lab.traces import Traces, links, own, scratch_root, sweep
from appliance.lab.underlay import Underlay
from appliance.protocol.identity import Identity

SESSION_SECONDS: Final = 20.0
"""How long nodes may take from their start to their sessions. Two take one second."""
SECONDS_A_HOST: Final = 3.0
"""How much longer they may take for each host: fourteen take 17 seconds on two cores."""
SETTLE_SECONDS: Final = 5.0
"""How long we wait for the kernel to look at carriers. It does so at least once a second."""
LOOK_EVERY: Final = 0.05
"""Seconds between two questions to a node, longer where all is slow."""


class Lab:
    """The hosts of a definition, each with a running node unless `start` is false. To be used once."""

    def __init__(self, definition: LabFile, *, start: bool = True, rig: Rig | None = None) -> None:
        self.definition = definition
        self.tag = new_tag()
        self.rig: Rig = rig or Namespaces()
        self.layout: Layout = layout_of(definition)
        self.hosts: dict[str, Host] = {}
        self.swept: list[str] = []
        self.kept_logs: Path | None = None
        """Where the logs are after a failure; None if all went well."""
        self.left_behind: list[str] | None = None
        """What could not be removed; None until the end."""
        self._start = start
        self.first_sessions: dict[tuple[str, str], str] = {}
        """The session that two hosts had when their path was looked at first."""
        self.readers = TopicReaders()
        self._underlay: Underlay | None = None
        self._called: Mapping[str, str] = {}
        """What `Rig.addresses` gave."""
        self._uplinks: dict[str, str | None] = {}
        """Of the hosts whose uplink was changed since they were built: the one that they have now."""
        self._links_before: frozenset[str] = frozenset()
        self._directory: Path | None = None
        self._owned = -1

    @property
    def slowness(self) -> float:
        """How many times as long things may take as in namespaces."""
        return max((host.machine.slowness for host in self.hosts.values()), default=1.0)

    def host(self, name: str) -> Host:
        """A host by its name."""
        return self.hosts[name]

    async def __aenter__(self) -> Self:
        """Build the lab, and unless told otherwise start the nodes and wait for their sessions. Raises ApplianceError."""
        try:
            await self._build_beside()
            await self._settle()
            if self._start:
                await self.begin()
                await self.wait_for_sessions()
        except BaseException as error:
            await self._remove_wholly(failed=isinstance(error, Exception))
            raise
        return self

    async def _build_beside(self) -> None:
        """Build in a thread, since a guest takes seconds, and a Ctrl-C is to be heard meanwhile."""
        building = asyncio.get_running_loop().create_task(asyncio.to_thread(self.build), name="build the lab")
        try:
            await asyncio.shield(building)
        except asyncio.CancelledError:
            for host in self.hosts.values():
                host.machine.abandon()
            with suppress(Exception):  # whatever else goes wrong in a machine that was abandoned
                await building  # what is being made must be made before it can be removed
            raise

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Remove everything, and check that it is gone."""
        await self._remove_wholly(failed=isinstance(error, Exception))

    def build(self) -> None:
        """Machines, wires, identities and profiles. Raises HostError, LabFailure."""
        self.swept = sweep()
        self._links_before = links()
        self._directory = Path(tempfile.mkdtemp(prefix=f"{self.tag}.", dir=scratch_root()))
        self._owned = own(self._directory)
        for name, entry in self.definition.hosts.items():
            directory = self._directory / name
            directory.mkdir(mode=0o700)
            self.hosts[name] = Host(name, entry, self.rig.machine(name, self.tag, directory))
        create([host.machine for host in self.hosts.values()])
        self._lay_wires()
        self._introduce()

    def _lay_wires(self) -> None:
        machines = {name: host.machine for name, host in self.hosts.items()}
        self._called = self.rig.addresses(self.layout, machines)
        self._underlay = self.rig.underlay(self.tag, self.layout, machines)
        if self._underlay is None:
            return
        assert self._directory is not None
        self._underlay.lay(self._directory)
        for name, host in self.definition.hosts.items():
            if host.uplink is not None:
                self.change_uplink(name, host.uplink)
        self._underlay.load_routers()

    @property
    def underlay(self) -> Underlay:
        """What lies between the hosts. Raises LabFailure where that is not the lab's."""
        if self._underlay is None:
            raise LabFailure("what lies between these hosts is not the lab's to change", hint="run it on namespaces or on vms")
        return self._underlay

    @property
    def knows_devices(self) -> bool:
        """Have the ends of wires the names that the layout gives them?"""
        return self._underlay is not None

    @property
    def routers(self) -> dict[str, Router]:
        """The machines without a node."""
        return {} if self._underlay is None else self._underlay.routers

    @property
    def switches(self) -> dict[str, Switch]:
        """By their wires, those that have one."""
        return {} if self._underlay is None else self._underlay.switches

    @property
    def network(self) -> Membership:
        """The network that the hosts are members of."""
        mesh = self.definition.mesh
        assert mesh is not None, "the file has no mesh"
        return Membership(mesh.label, self.hosts[mesh.founder])

    async def begin(self) -> None:
        """Start every node; those of members when they have joined, one after the other. Raises ApplianceError."""
        if self.definition.mesh is None:
            await asyncio.to_thread(self.start)
            return
        network = self.network
        await network.found()
        for name, host in self.hosts.items():
            if host is not network.founder and name not in self.definition.joined_later:
                await network.join(host)

    def start(self) -> None:
        """Start every node."""
        for host in self.hosts.values():
            host.start()

    async def wait_for_sessions(self, seconds: float | None = None) -> None:
        """Wait until both ends of each pair of peers have their session, as long as so many hosts may take. Raises LabFailure."""
        seconds = self.slowness * (SESSION_SECONDS + SECONDS_A_HOST * len(self.hosts)) if seconds is None else seconds
        wanted = list(self.pairs())

        def missing() -> list[str]:
            sessions = {name: host.sessions() for name, host in self.hosts.items()}
            return [f"{one}–{other}" for one, other in wanted if other not in sessions[one] or one not in sessions[other]]

        try:
            await self.until(lambda: not missing(), seconds)
        except TimeoutError:
            logs = "\n".join(f"--- {host.name}\n{host.log_tail()}" for host in self.hosts.values())
            blamed = "".join(f"; on {name} {text}" for name, host in self.hosts.items() for text in host.troubles())
            raise LabFailure(f"no session within {seconds:g} s: {', '.join(missing())}{blamed}\n{logs}") from None

    async def until(self, condition: Callable[[], bool], seconds: float) -> float:
        """Look until the condition holds. The seconds that it took. Raises TimeoutError."""
        begun = clock.monotonic()
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - what is waited for happens in other processes
                await asyncio.sleep(self.slowness * LOOK_EVERY)
        return clock.monotonic() - begun

    def change_uplink(self, name: str, uplink: str | None) -> None:
        """Make a wire the only one of a host that is up; None: all are, as the lab was built. Raises HostError, LabFailure."""
        self.underlay.change_uplink(name, uplink)
        self._uplinks[name] = uplink

    def begin_again(self, name: str) -> None:
        """Start the node of a host that was stopped or killed; its uplink is the one that it had, though all wires of a machine
        that boots come up. Raises HostError, LabFailure."""
        self.hosts[name].start()
        if (uplink := self._uplinks.get(name)) is not None:
            self.change_uplink(name, uplink)

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Each two hosts that are peers of each other, once. Of members those that know each other from the beginning."""
        mesh = self.definition.mesh
        if mesh is not None:
            yield from ((mesh.founder, name) for name, host in self.hosts.items() if host.runs and name != mesh.founder)
            return
        for one in self.definition.hosts:
            for other in self.definition.peers_of(one):
                if one < other and one in self.definition.peers_of(other):
                    yield one, other

    def profile_text(self, name: str) -> str:
        """The profile of a host, from its definition."""
        identities = {host.name: host.identity for host in self.hosts.values()}
        return as_yaml(profile_of(self.definition, name, identities, self._called))

    def write_profile(self, name: str) -> Path:
        """Write it again. Where it is, on that host."""
        machine = self.hosts[name].machine
        machine.put(machine.profile, self.profile_text(name).encode())
        return machine.profile

    async def _settle(self) -> None:
        underlay = self._underlay
        if underlay is not None:
            with suppress(TimeoutError):
                await self.until(lambda: underlay.is_settled, SETTLE_SECONDS)

    def _introduce(self) -> None:
        if self.definition.mesh is not None:  # they make identities and profiles themselves
            return
        for host in self.hosts.values():
            identity = Identity.generate()
            host.identity = identity.fingerprint
            host.machine.put(host.identity_file, identity.to_pem())
        for name in self.hosts:
            self.write_profile(name)

    def _traces(self) -> Traces:
        underlay = self._underlay
        return Traces(
            tag=self.tag,
            links_before=self._links_before,
            devices=underlay.devices() if underlay is not None else frozenset(),
            cookies=underlay.cookies() if underlay is not None else frozenset(),
        )

    async def _remove_wholly(self, *, failed: bool) -> None:
        """A Ctrl-C that comes when this has begun is heard when it is over."""
        removing = asyncio.get_running_loop().create_task(self._remove(failed=failed), name="remove the lab")
        try:
            await asyncio.shield(removing)
        except asyncio.CancelledError:
            await removing
            raise

    async def _remove(self, *, failed: bool) -> None:
        traces = self._traces()
        if failed:
            self.keep_logs()
        self._moved_back()
        self.readers.close()
        hosts = list(self.hosts.values())
        troubles = list(itertools.chain(*await asyncio.gather(*(host.end_node() for host in hosts))))
        removals = await asyncio.gather(*(asyncio.to_thread(host.machine.remove) for host in hosts), return_exceptions=True)
        for removal in removals:
            match removal:
                case HostError():
                    troubles.append(removal.message)
                case BaseException():
                    raise removal
                case left:
                    troubles += left
        if self._underlay is not None:
            troubles += self._underlay.remove()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
        if self._owned >= 0:
            os.close(self._owned)
            self._owned = -1
        self.left_behind = troubles + traces.left_behind()

    def _moved_back(self) -> None:
        """Undo what steps changed on hosts: what is different from the start after this is a node's."""
        for name in list(self._uplinks):
            with suppress(HostError):
                self.change_uplink(name, self.definition.hosts[name].uplink)

    def keep_logs(self) -> None:
        """Copy the logs and profiles to a directory that stays."""
        found = {f"{name}.{what}": text for name, host in self.hosts.items() for what, text in host.papers().items()}
        if self.kept_logs is None and any(name.endswith(".node.log") for name in found):
            self.kept_logs = Path(tempfile.mkdtemp(prefix=f"appliance-lab-{self.definition.name}-logs."))
        if self.kept_logs is not None:
            for name, text in found.items():
                (self.kept_logs / name).write_text(text, encoding="utf-8")
