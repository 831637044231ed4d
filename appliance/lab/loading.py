"""From the text of a lab file to its definition, with all problems at once, each with its place in the file."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path

from appliance.api.values import Endpoint
from appliance.lab.definition import RELAY_SCHEME, HostEntry, LabFile, LinkEntry, RouterEntry
from appliance.lab.layout import layout_of
from appliance.lab.nat import MOST_CUSTOMERS, UNTRANSLATED
from appliance.lab.script import EVERYBODY, NEEDS, PATHS, ProbeEntry, StepEntry
from appliance.profile.document import Document, KeyPath
from appliance.profile.problems import LocatedProblem, ProfileInvalid, in_order, located
from appliance.profile.reading import read_file
from appliance.profile.validation import validate

WRITTEN_BY_JOINING = frozenset({"profile", "name", "server", "mesh"})
"""Sections of a member's profile that `network new` and `join` write."""
Complaint = tuple[KeyPath, str, str]
"""Where, what is wrong, and what to do."""


class LabInvalid(ProfileInvalid):
    """The lab file is wrong. Has `problems` and `render`, as the error of a profile has."""

    def __init__(self, problems: list[LocatedProblem]) -> None:
        super().__init__(problems)
        self.message = self.message.replace("the profile", "the lab file", 1)


def load(path: Path) -> LabFile:
    """The definition in a file. Raises LabInvalid with everything that is wrong."""
    document, problems = read_file(path)
    if document is None:
        raise LabInvalid([problem._replace(hint=_hint(problem)) for problem in problems])
    definition, findings = validate(LabFile, document)
    problems += findings
    if definition is not None:
        problems += [_at(document, complaint) for complaint in complaints(definition)]
    if definition is None or problems:
        raise LabInvalid(in_order(problems))
    return definition


def complaints(lab: LabFile) -> Iterator[Complaint]:
    """What can only be seen when two keys are looked at together."""
    for index, link in enumerate(lab.links):
        yield from _link_complaints(lab, index, link)
    if lab.mesh is not None:
        yield from _unknown(lab, lab.mesh.founder, ("mesh", "founder"))
    for name, host in lab.hosts.items():
        yield from _host_complaints(lab, name, host)
        yield from _mesh_complaints(lab, name, host)
    for name, router in lab.routers.items():
        yield from _router_complaints(lab, name, router)
    for index, probe in enumerate(lab.probes):
        yield from _probe_complaints(lab, ("probes", index), probe)
    for index, step in enumerate(lab.steps):
        yield from _step_complaints(lab, ("steps", index), step)


def _link_complaints(lab: LabFile, index: int, link: LinkEntry) -> Iterator[Complaint]:
    for position, host in enumerate(link.hosts):
        if host not in lab.hosts and host not in lab.routers:
            known = ", ".join((*lab.hosts, *lab.routers))
            yield ("links", index, "hosts", position), f"there is no host {host}", f"hosts and routers: {known}"
    if len(set(link.hosts)) < len(link.hosts):
        yield ("links", index, "hosts"), "a host is named twice on this wire", ""
    if link.ipv4 is None and link.ipv6 is None:
        yield ("links", index), "the wire has no addresses", "give it ipv4, ipv6 or both"
    for key, version in (("ipv4", 4), ("ipv6", 6)):
        prefix = link.ipv4 if version == 4 else link.ipv6
        if prefix is not None and prefix.version != version:
            yield ("links", index, key), f"{prefix} is no IPv{version} prefix", ""
        elif prefix is not None and prefix.num_addresses < len(link.hosts) + 2:
            yield ("links", index, key), f"{prefix} has too few addresses for {len(link.hosts)} hosts", ""
    if link.impair is not None and link.impair.reorder and not link.impair.delay:
        yield ("links", index, "impair", "reorder"), "without a delay nothing can be overtaken", "give it a delay"
    if any(other.name == link.name for other in lab.links[:index]):
        yield ("links", index, "name"), f"another wire is called {link.name}, too", ""


def _host_complaints(lab: LabFile, name: str, host: HostEntry) -> Iterator[Complaint]:
    if not any(name in link.hosts for link in lab.links):
        yield ("hosts", name), f"{name} is on no wire", "name it in links"
    behind = [kind for kind in host.behind if kind not in UNTRANSLATED]
    if behind and any(name in link.hosts and link.ipv4 is None for link in lab.links):
        yield ("hosts", name, "behind"), f"{name} is on a wire without IPv4, so {behind[0]} has nothing to translate", ""
    if host.uplink is not None and not any(link.name == host.uplink and name in link.hosts for link in lab.links):
        yield ("hosts", name, "uplink"), f"{name} is not on a wire {host.uplink}", ""
    if host.behind and len([link for link in lab.links if name in link.hosts]) > 1:
        yield ("hosts", name, "behind"), f"{name} is on several wires", "give each of them a router, in routers"
    for peer, entry in host.peers.items():
        path: KeyPath = ("hosts", name, "peers", peer)
        if peer != EVERYBODY:
            yield from _unknown(lab, peer, path)
        if peer == name:
            yield path, "a host is no peer of itself", ""
        for index, endpoint in enumerate(entry.endpoints):
            if endpoint.scheme == RELAY_SCHEME:
                if endpoint.authority not in lab.hosts and not endpoint.authority.startswith("llp1:"):
                    yield (*path, "endpoints", index), f"there is no host {endpoint.authority}", "write the name of the relay"
            elif endpoint_address(lab, name, endpoint) is None:
                hint = "write the name of a host that shares a wire, NAME.ipv6, or an address"
                yield (*path, "endpoints", index), f"{name} has no way to {endpoint.host}", hint


def _mesh_complaints(lab: LabFile, name: str, host: HostEntry) -> Iterator[Complaint]:
    if lab.mesh is None:
        if not host.addresses:
            yield ("hosts", name), f"{name} has no addresses inside the overlay", "give it addresses, or the lab a mesh"
        return
    for key in ("addresses", "listen", "peers"):
        if getattr(host, key):
            yield ("hosts", name, key), f"a member's {key} come from the network", ""
    for section in host.profile.keys() & WRITTEN_BY_JOINING:
        yield ("hosts", name, "profile", section), f"{section} is written when {name} joins", ""


def _router_complaints(lab: LabFile, name: str, router: RouterEntry) -> Iterator[Complaint]:
    if name in lab.hosts:
        yield ("routers", name), f"a host is called {name}, too", ""
    wires = [link for link in lab.links if name in link.hosts]
    if len(wires) < 2:
        yield ("routers", name), f"{name} is on {'one wire' if wires else 'no wire'}", "name it in two links"
    outer = next((link for link in wires if link.name == router.outside), None)
    if router.outside is not None and outer is None:
        yield ("routers", name, "outside"), f"{name} is not on a wire {router.outside}", ""
    if router.outside is None and router.nat != "none":
        yield ("routers", name), f"{name} has no outer side", "say which wire leads to the internet: outside"
    if outer is not None and router.nat not in UNTRANSLATED:
        if outer.ipv4 is None:
            yield ("routers", name, "nat"), f"the wire {outer.name} has no IPv4 for {router.nat} to translate to", ""
        customers = sum(len(link.hosts) - 1 for link in wires if link is not outer and link.ipv4 is not None)
        if not customers:
            yield ("routers", name, "nat"), f"behind {name} is no wire with IPv4, so {router.nat} has nothing to translate", ""
        if router.nat == "cgnat" and customers > MOST_CUSTOMERS:
            yield ("routers", name, "nat"), f"cgnat has ports for {MOST_CUSTOMERS} machines behind it, not for {customers}", ""


def _topic_complaints(lab: LabFile, path: KeyPath, probe: ProbeEntry | StepEntry) -> Iterator[Complaint]:
    if probe.from_ is None or probe.to is not None or probe.between is not None or probe.among is not None:
        yield path, "a topic has `from`, and goes to all", ""
    else:
        yield from _unknown(lab, probe.from_, (*path, "from"))
    if lab.mesh is None:
        yield path, "topics are for the members of a network", "give the lab a mesh"


def _probe_complaints(lab: LabFile, path: KeyPath, probe: ProbeEntry | StepEntry) -> Iterator[Complaint]:
    if probe.probe == "topic":
        yield from _topic_complaints(lab, path, probe)
        return
    ways = sum((probe.between is not None, probe.among is not None, probe.from_ is not None or probe.to is not None))
    if ways != 1 or (probe.from_ is None) != (probe.to is None):
        yield path, "a probe has either `between`, or `among`, or `from` and `to`", ""
        return
    named = dict.fromkeys(host for direction in probe.directions for host in direction)
    for host in named:
        yield from _unknown(lab, host, path)
    if len(named) < 2 or len(probe.directions) > len(named) * (len(named) - 1):
        yield path, "a probe needs two hosts", ""
    if probe.via is not None and probe.via not in PATHS:
        yield from _unknown(lab, probe.via, (*path, "via"))
    if probe.via is not None and probe.probe != "path":
        yield (*path, "via"), "only a path has via", "probe: path"
    if probe.over is not None and probe.probe != "path":
        yield (*path, "over"), "only a path goes over a transport", "probe: path"
    if probe.kept and probe.probe not in ("path", "record"):
        yield (*path, "kept"), "only a path and records can be kept", "probe: path, or record"
    if probe.probe in ("record", "identity") and lab.mesh is None:
        yield path, f"`{probe.probe}` is for the members of a network", "give the lab a mesh"


def _step_complaints(lab: LabFile, path: KeyPath, step: StepEntry) -> Iterator[Complaint]:
    if (step.do is None) == (step.probe is None):
        yield path, "a step has either `probe` or `do`", ""
        return
    if step.do is None:
        superfluous = step.given & frozenset().union(*NEEDS.values()) - {"seconds", "to"}
        yield from (((*path, key), f"a probe has no {key}", "") for key in sorted(superfluous))
        yield from _probe_complaints(lab, path, step)
        return
    for key in sorted(NEEDS[step.do] - step.given):
        yield path, f"`{step.do}` needs {key}", ""
    for key in sorted(step.given - NEEDS[step.do]):
        yield (*path, key), f"`{step.do}` has no {key}", f"it has: {', '.join(sorted(NEEDS[step.do]))}"
    yield from _deed_complaints(lab, path, step)


def _deed_complaints(lab: LabFile, path: KeyPath, step: StepEntry) -> Iterator[Complaint]:
    if step.do in ("join", "revoke", "introduce") and lab.mesh is None:
        yield path, f"`{step.do}` is for the members of a network", "give the lab a mesh"
    if step.do == "join" and lab.mesh is not None and step.host == lab.mesh.founder:
        yield (*path, "host"), f"{step.host} founds the network", ""
    if step.host is not None:
        yield from _unknown(lab, step.host, (*path, "host"))
    if step.to is not None:
        yield from _unknown(lab, step.to, (*path, "to"))
    routers = tuple(layout_of(lab).routers)
    if step.router is not None and step.router not in routers:
        yield (*path, "router"), f"there is no router {step.router}", f"routers: {', '.join(routers)}"
    if step.wire is None:
        return
    link = next((link for link in lab.links if link.name == step.wire), None)
    if link is None:
        yield (*path, "wire"), f"there is no wire {step.wire}", f"wires: {', '.join(link.name for link in lab.links)}"
        return
    if step.do == "heal" and step.wire not in lab.cut_wires:
        yield (*path, "wire"), f"no step cuts {step.wire}", ""
    apart = [host for group in step.apart or () for host in group]
    if len(set(apart)) < len(apart):
        yield (*path, "apart"), "a host is in two groups", ""
    for host in dict.fromkeys((*apart, *([step.host] if step.host in lab.hosts else ()))):
        if host not in link.hosts:
            yield (*path, "wire"), f"{host} is not on the wire {step.wire}", f"on it are: {', '.join(link.hosts)}"


def _unknown(lab: LabFile, host: str, path: KeyPath) -> Iterator[Complaint]:
    if host not in lab.hosts:
        yield path, f"there is no host {host}", f"hosts: {', '.join(lab.hosts)}"


def endpoint_address(lab: LabFile, dialler: str, endpoint: Endpoint) -> str | None:
    """The address that the host of an endpoint stands for when `dialler` uses it; None if there is none.

    On a wire that both share, or, if routers lie between them, on the first wire that has the host.
    """
    try:
        return str(ipaddress.ip_address(endpoint.host))
    except ValueError:
        pass
    host, _, family = endpoint.host.partition(".")
    shared = [link for link in lab.links if dialler in link.hosts and host in link.hosts]
    routed = [link for link in lab.links if host in link.hosts] if lab.routers else []
    for link in shared or routed:
        address = underlay_address(link, host, 6 if family == "ipv6" else 4)
        if address is not None and family in ("", "ipv4", "ipv6"):
            return address
    return None


def underlay_address(link: LinkEntry, host: str, version: int) -> str | None:
    """The address of a host on a wire; None if the wire gives it none of that IP version."""
    prefix = link.ipv4 if version == 4 else link.ipv6
    number = link.hosts.index(host) + 1
    return str(prefix[number]) if prefix is not None and number < prefix.num_addresses else None


def _at(document: Document, complaint: Complaint) -> LocatedProblem:
    path, message, hint = complaint
    _, spot = document.nearest(path)
    assert spot is not None, "the root has a place"
    return located(spot, path, message, hint)


def _hint(problem: LocatedProblem) -> str:
    return "profiles/lab/ has lab files to start from" if "appliance init" in problem.hint else problem.hint
