"""Checks of a profile against this host: identity, listening, the ways to its peers. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator

from appliance.cli.doctor.facts import PathFacts, ProfileFacts
from appliance.cli.doctor.finding import OFFLOAD_TODO, Finding, failure, note, warning

OUTER_HEADERS_BYTES = {4: 28, 6: 48}
"""IP and UDP headers around a datagram's payload, by IP version."""
AUTO_DATAGRAM_BYTES = 1400


def profile_invalid(facts: ProfileFacts) -> Iterator[Finding]:
    """Nothing else can be said about a profile that cannot be read."""
    if facts.problem:
        yield failure("profile-invalid", f"the profile cannot be used: {facts.problem}", facts.hint or "see `appliance check`")


def identity_missing(facts: ProfileFacts) -> Iterator[Finding]:
    """A node is its key file."""
    if facts.identity_problem == "missing":
        yield failure(
            "identity-missing",
            f"{facts.identity_path}: there is no such key file",
            f"make one: appliance keys new {facts.identity_path}, and give its identity to the peers",
        )
    elif facts.identity_problem:
        yield failure(
            "identity-unreadable",
            f"{facts.identity_path}: the identity cannot be used: {facts.identity_problem}",
            "run as the file's owner; a damaged file comes back from a backup only: a new identity has to be told to all peers",
        )


def identity_loose(facts: ProfileFacts) -> Iterator[Finding]:
    """Whoever can read the key file can pretend to be this node."""
    if not facts.identity_problem and facts.identity_mode & 0o077:
        yield failure(
            "identity-loose",
            f"{facts.identity_path} has mode {facts.identity_mode:04o}: others can read this node's secret: it is refused",
            f"chmod 600 {facts.identity_path}; when somebody may have read it, make a new identity",
        )


def identity_is_a_peer(facts: ProfileFacts) -> Iterator[Finding]:
    """A profile that was copied from a peer often still has that peer's key."""
    for peer in facts.profile.peers if facts.profile else ():
        if facts.own_identity and peer.identity == facts.own_identity:
            yield failure(
                "identity-is-a-peer",
                f"peer {peer.name} has this node's own identity",
                "put the peer's identity there: `appliance keys show PATH` on that host; two hosts never share a key file",
            )


def no_peers(facts: ProfileFacts) -> Iterator[Finding]:
    """An overlay of one node."""
    if facts.profile and not facts.profile.peers and facts.profile.mesh is None:
        yield warning(
            "no-peers", "the profile has no peers: the node talks to nobody", "add a section peers: (see `appliance init -`)"
        )


def unreachable_both_ways(facts: ProfileFacts) -> Iterator[Finding]:
    """One side has to call the other."""
    if facts.profile and facts.profile.peers and not facts.profile.server.listen and facts.profile.mesh is None:
        lost = [peer.name for peer in facts.profile.peers if not peer.endpoints]
        if lost:
            yield failure(
                "nobody-begins",
                f"this node does not listen and knows no endpoint of {', '.join(lost)}",
                "give the peer endpoints, or this node server.listen",
            )


def listening(facts: ProfileFacts) -> Iterator[Finding]:
    """Each place to listen was tried."""
    for listen in facts.listens:
        port = listen.endpoint.rpartition(":")[2]
        if listen.problem == "EADDRINUSE":
            yield failure(
                "port-in-use",
                f"{listen.endpoint}: another program listens there",
                f"find it with `ss -lnptu sport = :{port}`; stop it or choose another port in server.listen",
            )
        elif listen.problem == "EADDRNOTAVAIL":
            yield failure(
                "address-not-here",
                f"{listen.endpoint}: this host does not have that address",
                "listen on 0.0.0.0 or [::], or on one of the addresses `ip address` shows",
            )
        elif listen.problem in ("EACCES", "EPERM"):
            yield failure(
                "port-privileged",
                f"{listen.endpoint}: this user may not listen there",
                "run as root, give CAP_NET_BIND_SERVICE, or choose a port above 1023",
            )
        elif listen.problem:
            yield failure("port-unusable", f"{listen.endpoint}: {listen.problem}", "check the address in server.listen")


def paths(facts: ProfileFacts) -> Iterator[Finding]:
    """The way to each endpoint, as the kernel sees it."""
    for path in facts.paths:
        if path.problem == "unresolvable":
            yield warning(
                "name-unresolvable",
                f"peer {path.peer}: the name in {path.endpoint} has no address",
                "check the name and this host's resolver (getent hosts NAME), or add an endpoint with an address literal",
            )
        elif path.problem:
            yield failure(
                "no-route",
                f"peer {path.peer}: there is no way to {path.endpoint} ({path.problem})",
                "`ip route get ADDRESS` tells why; mend the default route, or give the peer an endpoint this host can reach",
            )
        elif not path.tunnelled:
            yield from _path_mtu(facts, path)
            yield from _path_offload(path)


def _path_mtu(facts: ProfileFacts, path: PathFacts) -> Iterator[Finding]:
    if facts.profile is None or not path.mtu_bytes or not path.endpoint.startswith("udp:"):
        return
    setting = facts.profile.network.datagram
    datagram = AUTO_DATAGRAM_BYTES if setting == "auto" else int(setting)
    room = path.mtu_bytes - OUTER_HEADERS_BYTES[6 if ":" in path.address else 4]
    if datagram > room:
        yield warning(
            "path-mtu-small",
            f"peer {path.peer}: the path to {path.endpoint} carries datagrams of {room} bytes, not {datagram}",
            f"set network.datagram: {room} on both nodes, or mend the path's MTU",
        )


def _path_offload(path: PathFacts) -> Iterator[Finding]:
    if path.offload_problem:
        yield warning(
            "udp-offload-refused",
            f"peer {path.peer}: on the way to {path.endpoint} the kernel does not cut records into datagrams "
            f"({path.offload_problem}); the node does it, slower",
            OFFLOAD_TODO,
        )


def endpoint_inside_overlay(facts: ProfileFacts) -> Iterator[Finding]:
    """The packets that carry the overlay must not go into it."""
    if not facts.profile:
        return
    own = [address.network for address in facts.profile.network.addresses]
    for path in facts.paths:
        if not path.address:
            continue
        if path.tunnelled:
            yield failure(
                "endpoint-inside-overlay",
                f"peer {path.peer}: {path.endpoint} is {path.address}, which is routed into the tunnel ({path.tunnelled})",
                "give the endpoint an address outside, or make that prefix more specific: the node does not use it like this",
            )
            continue
        address = ipaddress.ip_address(path.address)
        if any(address.version == network.version and address in network for network in own):
            yield failure(
                "endpoint-inside-overlay",
                f"peer {path.peer}: {path.endpoint} is an address inside the overlay itself",
                "an endpoint is an address of the network below: where the peer can be reached without the overlay",
            )


def advice(facts: ProfileFacts) -> Iterator[Finding]:
    """What the plan warns of."""
    told = any(path.tunnelled for path in facts.paths)  # by `endpoint_inside_overlay`
    yield from (warning(*one) for one in facts.advice if not (told and one.code == "endpoint-inside-overlay"))


def pending(facts: ProfileFacts) -> Iterator[Finding]:
    """Is the host as the profile says?"""
    if facts.plan_problem:
        yield failure("plan-impossible", f"the profile cannot be applied here: {facts.plan_problem}", "see `appliance plan`")
    elif facts.pending:
        yield note(
            "changes-pending",
            f"the host is not as the profile says: {facts.pending} step{'s' if facts.pending > 1 else ''} pending",
            "`appliance plan` shows them, `appliance apply` or `appliance run` does them",
        )


CHECKS: tuple[Callable[[ProfileFacts], Iterator[Finding]], ...] = (
    profile_invalid,
    identity_missing,
    identity_loose,
    identity_is_a_peer,
    no_peers,
    unreachable_both_ways,
    listening,
    paths,
    endpoint_inside_overlay,
    advice,
    pending,
)
