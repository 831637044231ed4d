"""How this host's programs come to ask the node for names: what of that a plan changes. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from appliance.api.planning import Action, HostState, Step
from appliance.api.profile import Names, Profile
from appliance.api.values import Network
from appliance.errors import PlanError
from appliance.planning import resolv_conf
from appliance.planning.ledger import Ledger
from appliance.planning.revert import step

FILE = "/etc/resolv.conf"
NOBODY = "no node runs here that would answer them (appliance run)"
LOOPBACK = "lo"
"""A host speaks with itself over it, whatever the address."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Naming:
    """What a profile wants of names, with what follows from its other sections."""

    label: str
    address: Address
    """Where the node answers."""
    networks: tuple[Network, ...]
    """Those whose addresses have names."""
    host: str
    """How programs of this host come to ask there: "auto", "resolved", "file" or "off"."""
    peers: bool
    """Peers get answers, too."""
    servers: tuple[str, ...]
    """Who knows all other names; none: those that the host had."""

    @property
    def told(self) -> bool:
        """Are programs of this host to ask there?"""
        return self.host != "off"


def naming(profile: Profile) -> Naming | None:
    """None if the node answers no names: the profile does not want it, or knows no address of the node's yet."""
    names = profile.names or Names()
    label = names.label or (profile.mesh.label if profile.mesh is not None else None)
    if label is None or not profile.network.addresses:
        return None
    return Naming(
        label=label,
        address=profile.network.addresses[0].ip,
        networks=tuple(address.network for address in profile.network.addresses),
        host=names.host,
        peers=names.serve == "peers",
        servers=tuple(str(server) for server in names.servers),
    )


def obstacle(profile: Profile, observed: HostState, ledger: Ledger, *, answered: bool) -> str:
    """Why programs of this host cannot be brought to ask the node, as a sentence; "" if they can, or are not to. `answered`: one
    runs that answers."""
    wanted = naming(profile)
    if wanted is None or not wanted.told:
        return ""
    if not answered:
        return NOBODY
    if LOOPBACK in observed.links and not observed.links[LOOPBACK]["up"]:
        return f"the interface {LOOPBACK} is down, over which they would ask (ip link set {LOOPBACK} up)"
    if _by_resolved(wanted, observed):
        return ""
    if wanted.host == "resolved":
        return f"{FILE} does not lead to systemd-resolved, or that does not answer"
    other = resolv_conf.interface_of(_text(observed) or "")
    if other and not _is_ours(other, profile, observed, ledger):
        return f"{FILE} leads to the node on {other} already"
    return str(observed.resolver.get("obstacle", "it is not known how this host looks up names"))


def refuse_obstacle(profile: Profile, found: str) -> None:
    """Raise PlanError for an obstacle where the profile insists."""
    wanted = naming(profile)
    if found and found != NOBODY and wanted is not None and wanted.host != "auto":
        raise PlanError(f"names.host: {found}", hint="write names.host: auto to go without, or put the file right")


def warning(found: str) -> str:
    """What an obstacle means to the admin."""
    return f"programs of this host do not find the names of peers: {found}; `appliance ping NAME` does"


def steps(profile: Profile, observed: HostState, ledger: Ledger, *, answered: bool = True) -> Iterator[Step]:
    """Tell systemd-resolved, or write our name server into the file; or take that back. A file that another node has is left
    alone."""
    wanted = naming(profile)
    if wanted is not None and (not wanted.told or obstacle(profile, observed, ledger, answered=answered)):
        wanted = None
    by_resolved = wanted is not None and _by_resolved(wanted, observed)
    yield from _resolved_steps(wanted if by_resolved else None, profile.network.interface, observed, ledger)
    yield from _file_steps(None if by_resolved else wanted, profile, observed, ledger)


def _resolved_steps(wanted: Naming | None, interface: str, observed: HostState, ledger: Ledger) -> Iterator[Step]:
    now = observed.resolver.get("resolved")
    if now is None or (wanted is None and not ledger.resolved):
        return
    servers = [] if wanted is None else [str(wanted.address)]
    domains = [] if wanted is None else [wanted.label, *(f"~{zone}" for zone in reverse_zones(wanted.networks))]
    if (sorted(now["servers"]), sorted(now["domains"])) != (sorted(servers), sorted(domains)):
        yield step(
            Action("resolved.set", {"link": interface, "servers": servers, "domains": domains}),
            Action("resolved.set", {"link": interface, "servers": now["servers"], "domains": now["domains"]}),
        )


def _file_steps(wanted: Naming | None, profile: Profile, observed: HostState, ledger: Ledger) -> Iterator[Step]:
    now = _text(observed)
    author = resolv_conf.interface_of(now or "")
    ours = bool(author) and _is_ours(author, profile, observed, ledger)
    base = resolv_conf.before(now) if ours and now is not None else now
    if wanted is not None:
        text = resolv_conf.ours(base or "", profile.network.interface, str(wanted.address), wanted.label)
        if now != text or not ledger.resolv_conf:
            yield _write(text, now, now if ledger.resolv_conf else base)
    elif ours and _may_change(observed) and (ledger.resolv_conf or author == profile.network.interface):
        yield _write(base, now, now)


def left_behind(observed: HostState) -> Iterator[Step]:
    """Take our name server out of a file whose node is gone with its journal, as after a power cut."""
    now = _text(observed)
    author = resolv_conf.interface_of(now or "")
    if now is not None and author and author not in observed.links and _may_change(observed):
        yield _write(resolv_conf.before(now), now, now)


def reverse_zones(networks: Iterable[Network]) -> list[str]:
    """The zones of the DNS that have the reverse names of these networks (RFC 1035, 3.5; RFC 3596, 2.5). A zone ends at a whole
    number of 8 bits or, with IPv6, 4; so that of a small network has addresses beside it."""
    return list(dict.fromkeys(zone for network in networks for zone in _reverse_zones(network)))


def _reverse_zones(network: Network) -> Iterator[str]:
    bits = 8 if network.version == 4 else 4
    length = min(-(-network.prefixlen // bits), 3 if network.version == 4 else 31) * bits
    parts: Iterable[Network] = (network,) if length < network.prefixlen else network.subnets(new_prefix=length)
    for part in parts:
        labels = part.network_address.reverse_pointer.split(".")
        yield ".".join(labels[-2 - length // bits :])


def _by_resolved(wanted: Naming, observed: HostState) -> bool:
    return wanted.host in {"auto", "resolved"} and observed.resolver.get("resolved") is not None


def _may_change(observed: HostState) -> bool:
    return not observed.resolver.get("obstacle")


def _text(observed: HostState) -> str | None:
    text: Any = observed.resolver.get("text")
    return None if text is None else str(text)


def _is_ours(author: str, profile: Profile, observed: HostState, ledger: Ledger) -> bool:
    """Did this node write the file, or one that is gone?"""
    return author == profile.network.interface or ledger.resolv_conf or author not in observed.links


def _write(text: str | None, over: str | None, undo: str | None) -> Step:
    """`over`: what must be there for it to happen. Whoever rewrites the file in between keeps it."""
    return step(
        Action("resolv_conf.write", {"text": text, "over": over}), Action("resolv_conf.write", {"text": undo, "over": text})
    )
