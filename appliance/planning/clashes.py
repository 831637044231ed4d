"""What on a host keeps a profile from becoming a plan. Each refusal is a PlanError that says what to do."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from appliance.api.planning import Advice, HostState
from appliance.api.profile import Profile
from appliance.api.values import Network
from appliance.errors import PlanError
from appliance.planning import own
from appliance.planning.desired import Desired
from appliance.planning.reachability import Ways


def refuse_clashes(profile: Profile, wanted: Desired, observed: HostState) -> None:
    """Raise PlanError if `wanted` cannot be combined with something that the plan leaves on the host."""
    _refuse_interface(wanted, observed)
    _refuse_second_tunnel(wanted, observed)
    _refuse_addresses(wanted, observed)
    taken = {_place(other): other for other in observed.routes if other["protocol"] != wanted.owner.protocol}
    for route in wanted.routes:
        _refuse_route(route, wanted, observed, taken)
    _refuse_settings(wanted, observed)
    if profile.network.masquerade and "nft" not in observed.tools:
        raise PlanError(
            "network.masquerade needs the command nft, which is not installed",
            hint="install the package nftables (apt install nftables), or take masquerade out of the profile",
        )
    if profile.policy is not None and "nft" not in observed.tools:
        raise PlanError(
            "the section policy needs the command nft, which is not installed",
            hint="install the package nftables (apt install nftables); without it nothing would be denied",
        )


def refuse_loops(profile: Profile, after: HostState) -> None:
    """Raise PlanError if packets to a peer's own endpoint would go into the tunnel that they carry."""
    interface, ways = profile.network.interface, Ways(after)
    for peer in profile.peers:
        for endpoint in peer.endpoints:
            try:
                address = ipaddress.ip_address(endpoint.host)
            except ValueError:
                continue  # a DNS name: see `loops_of_names`
            if isinstance(address, ipaddress.IPv6Address) and address.scope_id not in {None, interface}:
                continue  # it leaves by the interface it names
            if ways.to(str(address), mark=profile.network.mark).link == interface:
                raise PlanError(
                    f"the tunnel's own packets to peer {peer.name} at {endpoint} would be routed into the tunnel "
                    f"({_Prefixes(interface, after).over(address)} over {interface})",
                    hint=f"make the routes over {interface} more specific, or add one to {address} via the gateway outside",
                )


def loops_of_names(profile: Profile, after: HostState, names: Mapping[str, Sequence[str]]) -> Iterator[Advice]:
    """The same for endpoints that are names; `names` has their addresses. Nothing is refused: the addresses may be others by the
    time they are used, and a running node leaves out those that would go into the tunnel."""
    interface, mark, ways = profile.network.interface, profile.network.mark, Ways(after)
    prefixes = _Prefixes(interface, after)
    for peer in profile.peers:
        for endpoint in peer.endpoints:
            for text in names.get(endpoint.host, ()):
                if ways.to(text, mark=mark).link == interface:
                    where = f"{prefixes.over(ipaddress.ip_address(text))} over {interface}"
                    yield Advice(
                        "endpoint-inside-overlay",
                        f"peer {peer.name}: {endpoint} is {text} now, which would be routed into the tunnel ({where})",
                        "let the name have an address outside, or make that prefix more specific",
                    )


class _Prefixes:
    """What is routed over an interface. Made once for many questions."""

    def __init__(self, interface: str, state: HostState) -> None:
        self._networks = {
            ipaddress.ip_network(route["destination"], strict=False) for route in state.routes if route["link"] == interface
        }
        self._lengths = sorted({network.prefixlen for network in self._networks}, reverse=True)

    def over(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Network:
        """The longest prefix that holds `address`."""
        bare = address.packed  # without a zone
        within = (ipaddress.ip_network((bare, length), strict=False) for length in self._lengths if length <= 8 * len(bare))
        return next(network for network in within if network in self._networks)


def refuse_unreachable(wanted: Desired, after: HostState) -> None:
    """Raise PlanError if the gateway of a route would not be a neighbour on the route's interface."""
    reachable: dict[tuple[str, str], bool] = {}  # many routes have few gateways
    for route in wanted.routes:
        if not route["via"] or (gateway := ipaddress.ip_address(route["via"])).is_link_local:
            continue
        way = (route["link"], route["via"])
        if way not in reachable:
            reachable[way] = any(gateway in network for network in _on_link(route["link"], after))
        if not reachable[way]:
            raise PlanError(
                f"the gateway {gateway} of the route to {route['destination']} is not directly reachable over {route['link']}",
                hint="name the gateway's interface in network.routes.device, or a gateway inside one of the interface's networks",
            )


def _on_link(link: str, after: HostState) -> Iterator[Network]:
    return (
        ipaddress.ip_network(other["destination"], strict=False)
        for other in after.routes
        if other["link"] == link and not other["via"] and other["type"] == "unicast"
    )


def _refuse_interface(wanted: Desired, observed: HostState) -> None:
    name = wanted.link["name"]
    link = observed.links.get(name)
    if link is None:
        return
    hint = f"choose another network.interface, or remove it: ip link del {name}"
    if link["kind"] != "tun" or link["tun"] is None or link["tun"]["type"] != "tun":
        kind = (link["tun"] or {}).get("type") or link["kind"] or "hardware"
        raise PlanError(f"the interface {name} exists already and is no TUN device ({kind})", hint=hint)
    if not link["tun"]["persist"]:
        raise PlanError(f"the TUN device {name} belongs to a running program", hint=hint)
    if link["tun"]["owner"] is None and link["tun"]["queues"]:
        raise PlanError(f"the TUN device {name} belongs to everybody, and another program has it open", hint=hint)
    if bool(link["tun"]["multi_queue"]) is not wanted.multi_queue:
        queues = (
            "one queue, and several workers need several" if wanted.multi_queue else "several queues, and one worker needs one"
        )
        raise PlanError(f"the TUN device {name} exists already, with {queues}", hint=f"write another network.workers, or {hint}")


def _refuse_addresses(wanted: Desired, observed: HostState) -> None:
    for text in wanted.addresses:
        address = ipaddress.ip_interface(text)
        for entry in observed.addresses:
            if entry["link"] == wanted.link["name"] or entry["scope"] == "link":
                continue
            other = ipaddress.ip_interface(entry["address"])
            if other.ip == address.ip:
                raise PlanError(
                    f"the address {address.ip} is already on {entry['link']}",
                    hint="give this node an address of its own in network.addresses",
                )
            if other.network == address.network and address.network.prefixlen < address.max_prefixlen:
                raise PlanError(
                    f"the network {address.network} of {address} is already on {entry['link']} ({other})",
                    hint="choose a prefix for the overlay that no other interface uses",
                )


def _place(route: Mapping[str, Any]) -> tuple[Any, ...]:
    """What two routes of a table cannot have in common."""
    return route["destination"], route["table"], route["metric"]


def _refuse_route(
    route: Mapping[str, Any], wanted: Desired, observed: HostState, taken: Mapping[tuple[Any, ...], Mapping[str, Any]]
) -> None:
    if ":" in route["destination"] and route["link"] == wanted.link["name"] and wanted.link["mtu"] < own.IPV6_MIN_MTU:
        raise PlanError(
            f"the route to {route['destination']} needs IPv6, and IPv6 needs an MTU of {own.IPV6_MIN_MTU} or more",
            hint="raise network.mtu, or take the route out of the profile",
        )
    link = observed.links.get(route["link"])
    if route["link"] not in {None, wanted.link["name"]}:
        if link is None:
            raise PlanError(f"network.routes: there is no interface {route['link']}", hint="look with: ip link")
        if not link["up"]:
            raise PlanError(f"network.routes: the interface {route['link']} is down", hint=f"ip link set {route['link']} up")
    if other := taken.get(_place(route)):
        where = " ".join(filter(None, [f"via {other['via']}" if other["via"] else "", f"over {other['link']}"]))
        raise PlanError(
            f"{route['destination']} is already routed {where}",
            hint="give the route another metric, or use a prefix that this host does not reach otherwise; a network that this "
            "host is in and that is a peer's too stays here with network.local: keep",
        )


def _refuse_second_tunnel(wanted: Desired, observed: HostState) -> None:
    """Rules ask all packets in one order, so one node of a network namespace can have what its own mark does not keep out."""
    ours = {own.ROUTE_PROTOCOL, *own.INSTANCE_PROTOCOLS}
    others = [rule for rule in observed.rules if rule["protocol"] in ours - {wanted.owner.protocol}]
    if any(rule["priority"] == own.TUNNEL_RULE_PRIORITY for rule in wanted.rules) and any(
        rule["priority"] == own.TUNNEL_RULE_PRIORITY for rule in others
    ):
        raise PlanError(
            "another node of this network namespace has a full tunnel, or keeps local networks, already",
            hint="one of them can: take network.full_tunnel and network.local out of this profile, or out of the other's",
        )


def _refuse_settings(wanted: Desired, observed: HostState) -> None:
    for key in wanted.sysctls:
        if key not in observed.sysctls and own.default_sysctl(key, wanted.link["name"]) not in observed.sysctls:
            raise PlanError(f"network.sysctls: this host has no setting {key}", hint="look with: sysctl -a | grep ^net")
