"""How this host's programs come to ask the node for names: what of that a plan changes. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from appliance.api.planning import Action, HostState, Step
from appliance.api.profile import Names, Profile
from appliance.errors import PlanError
from appliance.planning import resolv_conf
from appliance.planning.ledger import Ledger
from appliance.planning.revert import step

FILE = "/etc/resolv.conf"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Naming:
    """What a profile wants of names, with what follows from its other sections."""

    label: str
    address: Address
    """Where the node answers."""
    told: bool
    """Programs of this host are to ask there."""
    insists: bool
    """They are, or there is no plan."""
    peers: bool
    """Peers get answers, too."""
    servers: tuple[str, ...]
    """Who knows all other names; none: those that the host had."""


def naming(profile: Profile) -> Naming | None:
    """None if the node answers no names: the profile does not want it, or knows no address of the node's yet."""
    names = profile.names or Names()
    label = names.label or (profile.mesh.label if profile.mesh is not None else None)
    if label is None or not profile.network.addresses:
        return None
    return Naming(
        label=label,
        address=profile.network.addresses[0].ip,
        told=names.host != "off",
        insists=names.host == "file",
        peers=names.serve == "peers",
        servers=tuple(str(server) for server in names.servers),
    )


def obstacle(profile: Profile, observed: HostState, ledger: Ledger) -> str:
    """Why programs of this host cannot be brought to ask the node, as a sentence; "" if they can, or are not to."""
    wanted = naming(profile)
    if wanted is None or not wanted.told:
        return ""
    other = resolv_conf.interface_of(_text(observed) or "")
    if other and not _is_ours(other, profile, observed, ledger):
        return f"{FILE} leads to the node on {other} already"
    return str(observed.resolver.get("obstacle", "it is not known how this host looks up names"))


def refuse_obstacle(profile: Profile, found: str) -> None:
    """Raise PlanError for an obstacle where the profile insists."""
    wanted = naming(profile)
    if found and wanted is not None and wanted.insists:
        raise PlanError(f"names.host: {found}", hint="write names.host: auto to go without, or put the file right")


def warning(found: str) -> str:
    """What an obstacle means to the admin."""
    return f"programs of this host do not find the names of peers: {found}; `appliance ping NAME` does"


def steps(profile: Profile, observed: HostState, ledger: Ledger) -> Iterator[Step]:
    """Write our name server into the file, or take it out again. A file that another node has is left alone."""
    now = _text(observed)
    author = resolv_conf.interface_of(now or "")
    ours = bool(author) and _is_ours(author, profile, observed, ledger)
    base = resolv_conf.before(now) if ours and now is not None else now
    wanted = naming(profile)
    if wanted is not None and wanted.told and not obstacle(profile, observed, ledger):
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
