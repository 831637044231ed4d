"""What the doctor looked at, as plain values. So every check can be tested without a host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from appliance.api.planning import Advice
    from appliance.api.profile import Profile


@dataclass(frozen=True, slots=True)
class HostFacts:
    """This host, and this process."""

    kernel: tuple[int, int] = (6, 6)
    """(major, minor)."""
    tun_problem: str = ""
    """Why /dev/net/tun cannot be opened; "" if it can."""
    net_admin: bool = True
    """This process has CAP_NET_ADMIN."""
    rootless_problem: str = ""
    """Without it: why this user can have no rootless node, as a sentence; "" if he can."""
    udp_gso: bool = True
    udp_gro: bool = True
    ipv6: bool = True
    nft: bool = True
    aes_instructions: bool = True
    post_quantum: bool = True
    state_dir: str = "/run/appliance"
    state_dir_problem: str = ""
    """Why the state directory cannot be written; "" if it can."""
    sysctls: Mapping[str, str] = field(default_factory=dict)
    """Key to value."""


@dataclass(frozen=True, slots=True)
class ListenFacts:
    """One place to listen."""

    endpoint: str
    problem: str = ""
    """Why it cannot be bound: an errno's name ("EADDRINUSE"); "" if it can."""


@dataclass(frozen=True, slots=True)
class PathFacts:
    """The way to one endpoint of a peer."""

    peer: str
    """Its name."""
    endpoint: str
    address: str = ""
    """The one that was looked at; "" if the name has none."""
    problem: str = ""
    """"unresolvable", or an errno's name; "" if all is well."""
    mtu_bytes: int = 0
    """The MTU of the outer path, as the kernel knows it; 0 if it does not."""
    offload_problem: str = ""
    """Why the kernel does not cut records into datagrams on this way; "" if it does."""
    tunnelled: str = ""
    """The prefix and interface by which it would go into the tunnel; "" if it would not."""


@dataclass(frozen=True, slots=True)
class ProfileFacts:
    """The profile, and what it points at."""

    path: str = ""
    """The file."""
    problem: str = ""
    """Why it cannot be used ("3 problems"): then nothing else is filled in. "" if it can."""
    hint: str = ""
    """What to do about that."""
    profile: Profile | None = None
    identity_path: str = ""
    """The key file; "" if a plugin keeps the identity."""
    identity_problem: str = ""
    """"missing", "unreadable" or "invalid"; "" if all is well."""
    identity_mode: int = 0o600
    """The mode of the key file."""
    own_identity: str = ""
    """The public identity; "" if the key file could not be read."""
    listens: tuple[ListenFacts, ...] = ()
    paths: tuple[PathFacts, ...] = ()
    pending: int | None = None
    """Steps that `apply` would do; None if that could not be found out."""
    plan_problem: str = ""
    """Why it could not be found out; "" if it could."""
    advice: tuple[Advice, ...] = ()
    """What the plan warns of."""


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """The daemon of this network namespace."""

    status: Mapping[str, Any] | None = None
    """What it says; None if it says nothing."""
    problem: str = ""
    """Why it says nothing: "no-daemon", "forbidden" or a sentence."""
    applied: bool = False
    """There is an undo journal."""
    version: str = ""
    """That of this command."""
    figures: Mapping[str, Any] | None = None
    """What it counts (`metrics`); None if it says nothing."""
    later: Mapping[str, Any] | None = None
    """The same again, some seconds later, if that was asked for."""
    now: float = 0.0
    """When it said so, in Unix seconds."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the doctor looked at."""

    host: HostFacts = field(default_factory=HostFacts)
    profile: ProfileFacts | None = None
    """None if there is no profile to look at."""
    node: NodeFacts = field(default_factory=NodeFacts)
