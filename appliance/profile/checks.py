"""What can only be judged when two keys are seen together. Pure. Each check gives problems with the path of the key at fault.

Nothing here knows the host or the plugins. Whether a scheme or a suite exists is judged by the plugin host.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Hashable, Iterable, Iterator
from typing import TypeVar

from appliance.api.profile import NetworkSection, Profile
from appliance.api.values import RELAY, Endpoint, Interface, Network, Problem

IPV6_MINIMUM_MTU = 1280
"""RFC 8200, section 5. The kernel takes IPv6 away from an interface with a smaller MTU."""
WITH_PORTS = frozenset((6, 17, 33, 132, 136))
"""TCP, UDP, DCCP, SCTP, UDP-Lite."""
LAB_ONLY_SUITES = frozenset(("null",))
RESERVED_LABELS = frozenset(("arpa", "example", "invalid", "local", "localhost", "onion", "test"))
RESERVED_INTERFACES = frozenset(("lo", "all", "default"))

NOBODYS = tuple(
    ipaddress.ip_network(text) for text in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "::/127", "::ffff:0:0/96", "fe80::/10")
)
"""Prefixes within these never belong to a peer (`dataplane.nobodys`), so nothing would be taken from there."""
_MAYBE_NOBODYS = frozenset((0, 127, 169, 254))
"""The first octet of each. It spares nearly all other prefixes the comparison."""

_ZONE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}", re.ASCII)
"""An interface's name."""
_HOST_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)", re.ASCII)

T = TypeVar("T", bound=Hashable)


def check(profile: Profile) -> Iterator[Problem]:
    """Every contradiction within a profile."""
    yield from _interface(profile.network)
    yield from _addresses(profile.network)
    yield from _routes(profile.network)
    yield from _rules(profile.network)
    yield from _listen(profile.server.listen)
    yield from _suites(profile)
    yield from _peers(profile)
    yield from _prefixes(profile)
    yield from _full_tunnel(profile)
    yield from _endpoints(profile)
    yield from _relays(profile)
    yield from _qos(profile)
    yield from _peers_from(profile)
    yield from _mesh(profile)
    yield from _names(profile)
    yield from _twice("plugins", profile.plugins)
    yield from _twice("network.masquerade", profile.network.masquerade)


def _names(profile: Profile) -> Iterator[Problem]:
    names = profile.names
    if names is None:
        return
    if names.label is None and profile.mesh is None:
        yield Problem("names", "the names of peers need a domain", "for example names: {label: home}")
    if names.label in RESERVED_LABELS:
        yield Problem("names.label", f"{names.label!r} has a meaning of its own in the DNS (RFC 6761)", "for example home")
    own = {address.ip for address in profile.network.addresses}
    for index, server in enumerate(names.servers):
        if server in own:
            yield Problem(f"names.servers.{index}", f"{server} is this node itself", "name a server that knows all other names")


def check_reach(profile: Profile) -> Iterator[Problem]:
    """What is missing. Worth saying only of a profile without other problems."""
    if not profile.network.addresses and profile.mesh is None:
        yield Problem(
            "network.addresses",
            "this node has no address inside the overlay",
            "give it one, for example 10.8.0.1/24; the section mesh would bring those of its certificate",
        )
    if (
        profile.peers
        and profile.mesh is None
        and not profile.server.listen
        and not profile.discovery
        and not any(peer.endpoints for peer in profile.peers)
    ):
        yield Problem(
            "peers",
            "no peer can be reached: none has endpoints, and this node does not listen",
            "give server.listen, or a peer's endpoints",
        )


def _relays(profile: Profile) -> Iterator[Problem]:
    """Relays are peers, written here or members, and nobody listens by them."""
    names, identities = {peer.name for peer in profile.peers}, {peer.identity for peer in profile.peers}
    for index, endpoint in enumerate(profile.server.listen):
        if endpoint.scheme == RELAY:
            yield Problem(f"server.listen.{index}", "a relay is no address to listen at", "name the relay in relay.at")
    for number, peer in enumerate(profile.peers):
        for index, endpoint in enumerate(peer.endpoints):
            path = f"peers.{number}.endpoints.{index}"
            if endpoint.scheme != RELAY:
                continue
            if endpoint.authority == peer.identity:
                yield Problem(path, "a peer cannot be its own relay", "give the fingerprint of another peer")
            elif endpoint.authority not in identities and profile.mesh is None:
                yield Problem(path, f"no peer has the identity {endpoint.authority[:60]!r}", "add the relay as a peer")
    if profile.relay is None or profile.mesh is not None:
        return
    for key, wanted in (("peers", profile.relay.peers), ("at", profile.relay.at)):
        yield from _twice(f"relay.{key}", wanted)
        for index, name in enumerate(wanted):
            if name not in names:
                yield Problem(f"relay.{key}.{index}", f"there is no peer {name!r}", "write the name of a peer of this profile")


def _twice(path: str, values: Iterable[T]) -> Iterator[Problem]:
    first: dict[T, int] = {}
    for index, value in enumerate(values):
        if value in first:
            yield Problem(f"{path}.{index}", f"{value} is given twice", "keep one of the two")
        first.setdefault(value, index)


def _interface(network: NetworkSection) -> Iterator[Problem]:
    if network.interface in RESERVED_INTERFACES:
        yield Problem("network.interface", f"{network.interface!r} is a name the kernel uses itself", "for example llp0")
    if network.mtu < IPV6_MINIMUM_MTU and any(address.version == 6 for address in network.addresses):
        yield Problem(
            "network.mtu",
            f"{network.mtu} is too small for this node's IPv6 address: below {IPV6_MINIMUM_MTU} the kernel takes IPv6 away",
            f"at least {IPV6_MINIMUM_MTU}, or no IPv6 address",
        )


def _addresses(network: NetworkSection) -> Iterator[Problem]:
    yield from _twice("network.addresses", (address.ip for address in network.addresses))
    for index, address in enumerate(network.addresses):
        if fault := _address_fault(address):
            yield Problem(f"network.addresses.{index}", f"{address} is {fault}", "give this node an address of its own")


def _address_fault(address: Interface) -> str:
    ip, net = address.ip, address.network
    if ip.is_multicast or ip.is_unspecified or ip.is_loopback:
        return (
            "a multicast address" if ip.is_multicast else "the unspecified address" if ip.is_unspecified else "a loopback address"
        )
    if net.prefixlen < 31 and net.version == 4 and ip in {net.network_address, net.broadcast_address}:
        return "the network itself, not an address in it" if ip == net.network_address else "the broadcast address of its network"
    return ""


def _routes(network: NetworkSection) -> Iterator[Problem]:
    own = {address.ip for address in network.addresses}
    for index, route in enumerate(network.routes):
        path = f"network.routes.{index}"
        if route.via is not None and route.via.version != route.to.version:
            yield Problem(f"{path}.via", f"{route.via} cannot be the gateway to {route.to}: one is IPv4, the other IPv6")
        elif route.via in own:
            yield Problem(f"{path}.via", f"{route.via} is this node itself", "the gateway is another node")
    keys = ((route.to, route.table or 254, route.metric) for route in network.routes)
    for problem in _twice("network.routes", keys):
        route = network.routes[int(problem.path.rpartition(".")[2])]
        yield Problem(f"{problem.path}.to", f"a second route to {route.to} in the same table", "give it another metric")


def _rules(network: NetworkSection) -> Iterator[Problem]:
    for index, rule in enumerate(network.rules):
        path = f"network.rules.{index}"
        if rule.from_ is None and rule.to is None and rule.fwmark is None:
            yield Problem(path, "this rule would apply to every packet of the host", "narrow it by from, to or fwmark")
        elif rule.from_ is not None and rule.to is not None and rule.from_.version != rule.to.version:
            yield Problem(f"{path}.to", f"from {rule.from_} to {rule.to}: one is IPv4, the other IPv6")
    yield from _twice("network.rules", network.rules)


def _listen(listen: tuple[Endpoint, ...]) -> Iterator[Problem]:
    yield from _twice("server.listen", listen)
    everywhere: dict[tuple[str, int, int], int] = {}
    literals = [(index, endpoint, _literal(endpoint.host)) for index, endpoint in enumerate(listen)]
    for index, endpoint, address in literals:
        if address is None and not endpoint.host:
            continue  # its transport judges it
        if address is None:
            example = f"{endpoint.scheme}://0.0.0.0:{endpoint.port} or {endpoint.scheme}://[::]:{endpoint.port}"
            yield Problem(f"server.listen.{index}", f"{endpoint.host!r} is no address to listen on", f"for example {example}")
        elif fault := _zone_fault(endpoint, address):
            yield Problem(f"server.listen.{index}", *fault)
        elif address.is_unspecified:
            everywhere[endpoint.scheme, endpoint.port, address.version] = index
    for index, endpoint, address in literals:
        if address is None or address.is_unspecified:
            continue
        if (cover := everywhere.get((endpoint.scheme, endpoint.port, address.version))) is not None:
            yield Problem(f"server.listen.{index}", f"{endpoint} is already covered by {listen[cover]}", "keep one of the two")


def _suites(profile: Profile) -> Iterator[Problem]:
    yield from _twice("crypto.suites", profile.crypto.suites)
    for index, suite in enumerate(profile.crypto.suites):
        if suite in LAB_ONLY_SUITES and not profile.crypto.lab:
            yield Problem(
                f"crypto.suites.{index}", f"{suite!r} protects nothing", "remove it; only a laboratory sets crypto.lab: true"
            )


def _peers(profile: Profile) -> Iterator[Problem]:
    for key in ("name", "identity"):
        first: dict[str, int] = {}
        for index, peer in enumerate(profile.peers):
            value: str = getattr(peer, key)
            if value in first:
                other = profile.peers[first[value]].name
                message = f"a second peer is called {value!r}" if key == "name" else f"peer {other!r} has this identity already"
                yield Problem(f"peers.{index}.{key}", message, "each peer has its own name and identity")
            first.setdefault(value, index)
    for index, peer in enumerate(profile.peers):
        if peer.keepalive >= profile.limits.idle:
            message = (
                f"{peer.keepalive:g} s is not shorter than limits.idle ({profile.limits.idle:g} s), so a silent session would die"
            )
            yield Problem(f"peers.{index}.keepalive", message, "a third of limits.idle survives lost packets")


def _prefixes(profile: Profile) -> Iterator[Problem]:
    own = {ipaddress.ip_network(address.ip) for address in profile.network.addresses}
    owner: dict[ipaddress.IPv4Network | ipaddress.IPv6Network, int] = {}
    for index, peer in enumerate(profile.peers):
        for place, prefix in enumerate(peer.allowed):
            path = f"peers.{index}.allowed.{place}"
            if prefix in own:
                yield Problem(path, f"{prefix.network_address} is this node's own address", "see network.addresses")
            elif prefix.network_address.packed[0] in _MAYBE_NOBODYS and any(_within(prefix, net) for net in NOBODYS):
                message = f"{prefix} is never a peer's: such addresses are this host's or its links'"
                yield Problem(path, message, "give the peer other addresses inside the overlay")
            elif prefix in owner:
                other = profile.peers[owner[prefix]].name
                message = f"{prefix} is given twice" if owner[prefix] == index else f"{prefix} is already behind peer {other!r}"
                yield Problem(path, message, "a prefix is behind one peer; a longer one may lie within it")
            owner.setdefault(prefix, index)


def _within(inner: Network, outer: Network) -> bool:
    if inner.version != outer.version or inner.prefixlen < outer.prefixlen:
        return False
    shift = outer.max_prefixlen - outer.prefixlen
    return int(inner.network_address) >> shift == int(outer.network_address) >> shift


def _peers_from(profile: Profile) -> Iterator[Problem]:
    for kind, limit in profile.peers_from.items():
        if kind not in profile.discovery:
            yield Problem(
                f"peers_from.{kind}", f"discovery kind {kind!r} does not run", f"add discovery.{kind}, or take this out"
            )
        yield from _twice(f"peers_from.{kind}.allowed", limit.allowed)


def _mesh(profile: Profile) -> Iterator[Problem]:
    mesh = profile.mesh
    if mesh is None:
        return
    yield from _twice("mesh.overlay", mesh.overlay)
    yield from _twice("mesh.accept.prefixes", mesh.accept.prefixes)
    yield from _twice("mesh.bootstrap", (entry.identity for entry in mesh.bootstrap))
    for path, prefixes in (("mesh.overlay", mesh.overlay), ("mesh.accept.prefixes", mesh.accept.prefixes)):
        for index, prefix in enumerate(prefixes):
            if not prefix.prefixlen:
                yield Problem(f"{path}.{index}", f"{prefix} is everything", "mesh.accept.exit names the member that has that")
    if mesh.accept.exit is not None and mesh.accept.exit in {peer.name for peer in profile.peers}:
        yield Problem("mesh.accept.exit", f"{mesh.accept.exit!r} is a peer of this profile, not a member")
    everything = [(peer.name, prefix) for peer in profile.peers for prefix in peer.allowed if not prefix.prefixlen]
    if mesh.accept.exit is not None and everything:
        name, prefix = everything[0]
        yield Problem("mesh.accept.exit", f"peer {name!r} of this profile takes {prefix} already", "keep one of the two")


def _full_tunnel(profile: Profile) -> Iterator[Problem]:
    if profile.mesh is not None and profile.mesh.accept.exit is not None:
        return
    if profile.network.full_tunnel and not any(not prefix.prefixlen for peer in profile.peers for prefix in peer.allowed):
        yield Problem(
            "network.full_tunnel",
            "no peer takes everything",
            "write 0.0.0.0/0, and ::/0 where it has IPv6, into the allowed prefixes of the peer that is the way out",
        )


def _endpoints(profile: Profile) -> Iterator[Problem]:
    for index, peer in enumerate(profile.peers):
        yield from _twice(f"peers.{index}.endpoints", peer.endpoints)
        for place, endpoint in enumerate(peer.endpoints):
            address = _literal(endpoint.host)
            if address is not None and address.is_unspecified:
                yield Problem(
                    f"peers.{index}.endpoints.{place}",
                    f"{endpoint.host} is no address of a peer",
                    "give the address it is reached at",
                )
            elif address is not None and (fault := _zone_fault(endpoint, address)):
                yield Problem(f"peers.{index}.endpoints.{place}", *fault)
            elif address is None and endpoint.host and not _is_host_name(endpoint.host):
                yield Problem(f"peers.{index}.endpoints.{place}", f"{endpoint.host!r} is neither an address nor a DNS name")


def _qos(profile: Profile) -> Iterator[Problem]:
    if profile.qos is None:
        for index, peer in enumerate(profile.peers):
            if peer.rate is not None:
                yield Problem(f"peers.{index}.rate", "a rate needs the section qos, which is absent", "add `qos: {}`")
        return
    if profile.qos.total < profile.qos.queue:
        yield Problem("qos.total", "all queues together may hold less than a single queue", "at least qos.queue")
    for index, rule in enumerate(profile.qos.rules):
        path = f"qos.rules.{index}"
        if not (rule.dscp or rule.protocol is not None or rule.ports or rule.from_ or rule.to):
            yield Problem(path, "this rule would fit every packet", "narrow it by dscp, protocol, ports, from or to")
        elif rule.ports and rule.protocol is not None and rule.protocol not in WITH_PORTS:
            yield Problem(f"{path}.ports", f"protocol {rule.protocol} has no ports", "remove ports or protocol")
        elif rule.from_ is not None and rule.to is not None and rule.from_.version != rule.to.version:
            yield Problem(f"{path}.to", f"from {rule.from_} to {rule.to}: one is IPv4, the other IPv6")
    for problem in _twice("qos.rules", profile.qos.rules):
        yield Problem(problem.path, "this rule is given twice", "keep one of the two")


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _zone_fault(endpoint: Endpoint, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> tuple[str, str] | None:
    """A link-local address exists on each interface, so it must name its own. Other addresses must not name one."""
    zone = address.scope_id if isinstance(address, ipaddress.IPv6Address) else None
    if isinstance(address, ipaddress.IPv6Address) and address.is_link_local and zone is None:
        example = endpoint._replace(host=f"{endpoint.host}%eth0")
        return f"{endpoint.host} is a link-local address without its interface", f"for example {example}"
    if zone is None:
        return None
    if not address.is_link_local:
        return f"{endpoint.host} names an interface, but is no link-local address", "leave out what stands behind the address"
    if not _ZONE.fullmatch(zone):
        return f"{zone!r} is no interface", "look with: ip link"
    return None


def _is_host_name(host: str) -> bool:
    labels = host.removesuffix(".").split(".")
    return len(host) <= 253 and all(map(_HOST_LABEL.fullmatch, labels)) and not labels[-1].isdecimal()
