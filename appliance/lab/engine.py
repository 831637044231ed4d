"""A running lab: built from its definition, removed without a trace. For the command, for tests and for benchmarks.

async with Lab(definition) as lab:
    await lab.host("left").run(["ping", "-c1", "10.70.0.2"])
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from appliance.errors import HostError
from appliance.foundation import clock
from appliance.lab import network
from appliance.lab.definition import LabFile
from appliance.lab.host import Host, LabFailure
from appliance.lab.layout import Layout, Wire, layout_of
from appliance.lab.membership import Membership
from appliance.lab.namespace import Namespace
from appliance.lab.naming import new_tag
from appliance.lab.profiles import as_yaml, profile_of
from appliance.lab.router import Router
from appliance.lab.switch import BRIDGE, Switch
from appliance.lab.topics import TopicReaders
from appliance.lab.traces import Traces, links, own, scratch_root, sweep
from appliance.linux.machine import netns_cookie
from appliance.protocol.identity import Identity

SESSION_SECONDS: Final = 20.0
"""How long nodes may take from their start to their sessions. Two take one second."""
SECONDS_A_HOST: Final = 3.0
"""How much longer they may take for each host: fourteen take 17 seconds on two cores."""
SETTLE_SECONDS: Final = 5.0
"""How long we wait for the kernel to look at carriers. It does so at least once a second."""
IPV6: Final = Path("/proc/net/if_inet6")
"""Is there where the kernel knows IPv6."""
LOOK_EVERY: Final = 0.05
"""Seconds between two questions to a node."""


class Lab:
    """The hosts of a definition, each with a running node unless `start` is false. To be used once."""

    def __init__(self, definition: LabFile, *, start: bool = True) -> None:
        self.definition = definition
        self.tag = new_tag()
        self.layout: Layout = layout_of(definition)
        self.hosts: dict[str, Host] = {}
        self.routers: dict[str, Router] = {}
        self.swept: list[str] = []
        self.kept_logs: Path | None = None
        """Where the logs are after a failure; None if all went well."""
        self.left_behind: list[str] | None = None
        """What could not be removed; None until the end."""
        self._start = start
        self.switches: dict[str, Switch] = {}
        """By their wires, those that have one."""
        self.first_sessions: dict[tuple[str, str], str] = {}
        """The session that two hosts had when their path was looked at first."""
        self.readers = TopicReaders()
        self._moved: set[str] = set()
        """Hosts whose uplink a step has changed."""
        self._links_before: frozenset[str] = frozenset()
        self._directory: Path | None = None
        self._owned = -1

    def host(self, name: str) -> Host:
        """A host by its name."""
        return self.hosts[name]

    async def __aenter__(self) -> Self:
        """Build the lab, and unless told otherwise start the nodes and wait for their sessions. Raises ApplianceError."""
        try:
            self.build()
            await self._settle()
            if self._start:
                await self.begin()
                await self.wait_for_sessions()
        except BaseException as error:
            await self._remove(failed=isinstance(error, Exception))
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Remove everything, and check that it is gone."""
        await self._remove(failed=isinstance(error, Exception))

    def build(self) -> None:
        """Namespaces, wires, identities and profiles. Raises HostError."""
        self.swept = sweep()
        self._links_before = links()
        self._directory = Path(tempfile.mkdtemp(prefix=f"{self.tag}.", dir=scratch_root()))
        self._owned = own(self._directory)
        for name, entry in self.definition.hosts.items():
            directory = self._directory / name
            directory.mkdir(mode=0o700)
            self.hosts[name] = Host(name, entry, Namespace(f"{self.tag}-{name}"), directory)
            self.hosts[name].namespace.create()
        for name, router in self.layout.routers.items():
            self.routers[name] = Router(name, router, Namespace(f"{self.tag}-{name}"))
            self.routers[name].create()
        self._lay_wires()
        self._introduce()

    def _lay_wires(self) -> None:
        machines = self._machines()
        for wire in self.layout.wires:
            network.lay(wire, machines, self._new_switch(wire) if wire.switched else None, routers=self.routers)
        assert self._directory is not None
        for switch in self.switches.values():
            switch.start(self._directory)
        for name, namespace in machines.items():
            network.set_routes(namespace.name, self.layout.routes_of(name))
        for name, host in self.definition.hosts.items():
            if host.uplink is not None:
                self.change_uplink(name, host.uplink)
        for name, router in self.routers.items():
            router.load(self.layout.box(name))

    def _machines(self) -> dict[str, Namespace]:
        machines: list[Host | Router] = [*self.hosts.values(), *self.routers.values()]
        return {machine.name: machine.namespace for machine in machines}

    @property
    def network(self) -> Membership:
        """The network that the hosts are members of."""
        mesh = self.definition.mesh
        assert mesh is not None, "the file has no mesh"
        return Membership(mesh.label, self.hosts[mesh.founder])

    async def begin(self) -> None:
        """Start every node; those of members when they have joined, one after the other. Raises ApplianceError."""
        if self.definition.mesh is None:
            self.start()
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
        seconds = SESSION_SECONDS + SECONDS_A_HOST * len(self.hosts) if seconds is None else seconds
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
                await asyncio.sleep(LOOK_EVERY)
        return clock.monotonic() - begun

    def change_uplink(self, name: str, uplink: str | None) -> None:
        """Make a wire the only one of a host that is up, as a laptop moves from one network to another. None: all are up, as the
        lab was built. Raises HostError."""
        namespace = self.hosts[name].namespace.name
        ends = {wire.name: end for wire in self.layout.wires if (end := wire.end(name)) is not None}
        for wire, end in ends.items():
            if uplink not in (None, wire):
                network.take_down(namespace, end)
        for wire, end in ends.items():
            if uplink in (None, wire):
                network.bring_up(namespace, end)
        network.set_routes(namespace, self.layout.routes_of(name, uplink))
        self._moved.add(name)

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

    def write_profile(self, name: str) -> Path:
        """Write the profile of a host again, from its definition."""
        identities = {host.name: host.identity for host in self.hosts.values()}
        path = self.hosts[name].profile
        path.write_text(as_yaml(profile_of(self.definition, name, identities)), encoding="utf-8")
        return path

    async def _settle(self) -> None:
        """Wait until the kernel has noticed every carrier. It adds routes then, which would look like something that a node
        did."""
        if not IPV6.exists():
            return
        machines = self._machines()
        ends = [(machines[end.machine].name, end) for wire in self.layout.wires for end in wire.ends]
        with suppress(TimeoutError):
            await self.until(lambda: all(network.is_settled(*end) for end in ends), SETTLE_SECONDS)

    def _introduce(self) -> None:
        if self.definition.mesh is not None:  # they make identities and profiles themselves
            return
        for host in self.hosts.values():
            identity = Identity.generate()
            host.identity = identity.fingerprint
            host.identity_file.touch(mode=0o600)
            host.identity_file.write_bytes(identity.to_pem())
        for name in self.hosts:
            self.write_profile(name)

    def _new_switch(self, wire: Wire) -> Switch:
        impair = wire.link.impair
        namespace = Namespace(f"{self.tag}-{wire.name}.switch")
        switch = self.switches[wire.name] = Switch(wire, namespace, impair.impairment() if impair is not None else None)
        switch.create()
        return switch

    def _traces(self) -> Traces:
        namespaces = [*self._machines().values(), *(switch.namespace for switch in self.switches.values())]
        return Traces(
            tag=self.tag,
            links_before=self._links_before,
            devices=frozenset([end.device for wire in self.layout.wires for end in wire.ends] + [BRIDGE, "llp0"]),
            cookies=frozenset(namespace.call(netns_cookie) for namespace in namespaces if namespace.exists),
        )

    async def _remove(self, *, failed: bool) -> None:
        troubles: list[str] = []
        traces = self._traces()
        if failed:
            self.keep_logs()
        self._moved_back()
        self.readers.close()
        for not_undone in await asyncio.gather(*(host.end_node() for host in self.hosts.values())):
            troubles += not_undone
        for switch in self.switches.values():
            troubles += switch.troubles
        parts: list[Host | Router | Switch] = [*self.hosts.values(), *self.routers.values(), *self.switches.values()]
        for part in parts:
            try:
                part.remove()
            except HostError as error:
                troubles.append(error.message)
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
        if self._owned >= 0:
            os.close(self._owned)
            self._owned = -1
        self.left_behind = troubles + traces.left_behind()

    def _moved_back(self) -> None:
        """Undo what steps changed on hosts: what is different from the start after this is a node's."""
        for name in self._moved:
            with suppress(HostError):
                self.change_uplink(name, self.definition.hosts[name].uplink)

    def keep_logs(self) -> None:
        """Copy the logs and profiles to a directory that stays."""
        if self.kept_logs is None and any(host.log.exists() for host in self.hosts.values()):
            self.kept_logs = Path(tempfile.mkdtemp(prefix=f"appliance-lab-{self.definition.name}-logs."))
        if self.kept_logs is not None:
            for host in self.hosts.values():
                for source in (host.log, host.profile):
                    if source.exists():
                        shutil.copyfile(source, self.kept_logs / f"{host.name}.{source.name}")
