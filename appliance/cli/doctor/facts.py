"""What the doctor looked at, as plain values, so that every check can be tested without a host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from appliance.api.planning import Advice
    from appliance.api.profile import Profile


@dataclass(frozen=True, slots=True)
class HostFacts:
    """This host and this process. `tun_problem` is why /dev/net/tun cannot be opened, or empty; `state_dir_problem` the same
    for the state directory. `kernel` is (major, minor)."""

    kernel: tuple[int, int] = (6, 6)
    tun_problem: str = ""
    net_admin: bool = True
    udp_gso: bool = True
    udp_gro: bool = True
    ipv6: bool = True
    nft: bool = True
    aes_instructions: bool = True
    post_quantum: bool = True
    state_dir: str = "/run/appliance"
    state_dir_problem: str = ""
    sysctls: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ListenFacts:
    """Whether `endpoint` could be bound: `problem` is empty or an errno's name ("EADDRINUSE")."""

    endpoint: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class PathFacts:
    """The way to a peer's endpoint. `problem` is empty, "unresolvable" or an errno's name; `mtu_bytes` is the outer path's MTU
    as the kernel knows it, 0 when it does not; `offload_problem` is why it does not cut records into datagrams on this way.
    `tunnelled` is the prefix and interface by which it would go into the tunnel."""

    peer: str
    endpoint: str
    address: str = ""
    problem: str = ""
    mtu_bytes: int = 0
    offload_problem: str = ""
    tunnelled: str = ""


@dataclass(frozen=True, slots=True)
class ProfileFacts:
    """The profile and what it points at.

    `problem` is why it cannot be used ("3 problems"), with nothing else filled in. `own_identity` is empty when the identity
    could not be read; `identity_problem` is then "missing", "unreadable" or "invalid". `pending` counts the steps that `apply`
    would do, None when that could not be found out; `plan_problem` is why. `advice` is what the plan warns of.
    """

    path: str = ""
    problem: str = ""
    hint: str = ""
    profile: Profile | None = None
    identity_path: str = ""
    identity_problem: str = ""
    identity_mode: int = 0o600
    own_identity: str = ""
    listens: tuple[ListenFacts, ...] = ()
    paths: tuple[PathFacts, ...] = ()
    pending: int | None = None
    plan_problem: str = ""
    advice: tuple[Advice, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """The daemon of this namespace. `status` is its answer or None; `problem` is why there is none ("no-daemon", "forbidden" or
    a sentence). `applied` says that an undo journal is there, `version` is this command's own."""

    status: Mapping[str, Any] | None = None
    problem: str = ""
    applied: bool = False
    version: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the doctor looked at; `profile` is None when there is no profile to look at."""

    host: HostFacts = field(default_factory=HostFacts)
    profile: ProfileFacts | None = None
    node: NodeFacts = field(default_factory=NodeFacts)
