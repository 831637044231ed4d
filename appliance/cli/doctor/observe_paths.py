"""Tries where a profile listens and how its peers are reached: a port is bound for a moment, the routing table is asked, and two
datagrams are sent that live for one hop."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from appliance.api.values import Endpoint
from appliance.api.zones import to_kernel
from appliance.cli.doctor.facts import ListenFacts, PathFacts
from appliance.cli.resolving import resolve
from appliance.linux.egress import egress
from appliance.linux.marks import set_mark

if TYPE_CHECKING:
    from appliance.api.profile import NetworkSection

IP_MTU = {socket.AF_INET: (socket.IPPROTO_IP, 14), socket.AF_INET6: (socket.IPPROTO_IPV6, 24)}
"""IP_MTU and IPV6_MTU of ip(7) and ipv6(7)."""
UDP_SEGMENT = 103
DISCARD = 9
SMALL = 512
"""Bytes that every path takes in one datagram."""


def try_listening(endpoint: Endpoint) -> ListenFacts:
    """Bind `endpoint`, and let go of it at once."""
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    kind = socket.SOCK_STREAM if endpoint.scheme == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family, kind) as probe:
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(to_kernel(endpoint.host, endpoint.port))
            if kind == socket.SOCK_STREAM:
                probe.listen(1)
        except OSError as error:
            return ListenFacts(str(endpoint), _errno_name(error))
    return ListenFacts(str(endpoint))


def look_up(peers: Sequence[tuple[str, Sequence[Endpoint]]], network: NetworkSection) -> tuple[PathFacts, ...]:
    """The path to each endpoint of each peer that has a host. Names are looked up side by side."""
    wanted = [(peer, endpoint) for peer, endpoints in peers for endpoint in endpoints if endpoint.host]
    found = resolve({endpoint.host for _, endpoint in wanted})
    return tuple(look_at_path(peer, endpoint, found.get(endpoint.host, ()), network) for peer, endpoint in wanted)


def look_at_path(peer: str, endpoint: Endpoint, addresses: Sequence[str], network: NetworkSection) -> PathFacts:
    """What the kernel's routing says about the way of the node's packets to the first of `addresses`, or to the one that goes
    into the tunnel."""
    if not addresses:
        return PathFacts(peer, str(endpoint), problem="unresolvable")
    for each in addresses:
        way = egress(each, network.mark)
        if way is not None and way.link == network.interface:
            return PathFacts(peer, str(endpoint), each, tunnelled=f"{way.prefix} over {way.link}")
    address = addresses[0]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        set_mark(probe, network.mark)
        try:
            probe.connect(to_kernel(address, endpoint.port))
            mtu = probe.getsockopt(*IP_MTU[family])
        except OSError as error:
            return PathFacts(peer, str(endpoint), address, problem=_errno_name(error))
    problem = offload_problem(address, network.mark) if endpoint.scheme == "udp" else ""
    return PathFacts(peer, str(endpoint), address, mtu_bytes=mtu, offload_problem=problem)


def offload_problem(address: str, mark: int) -> str:
    """Why the kernel does not cut a record into datagrams on the way to `address`; "" if it does, or if it sends nothing at
    all."""
    refused = _send_two(address, mark, offload=True)
    return refused if refused and not _send_two(address, mark, offload=False) else ""


def _send_two(address: str, mark: int, *, offload: bool) -> str:
    """Send two datagrams to the port `discard`, which live for one hop."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    hops = (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS) if family == socket.AF_INET6 else (socket.IPPROTO_IP, socket.IP_TTL)
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        set_mark(probe, mark)
        probe.setsockopt(*hops, 1)
        try:
            probe.connect(to_kernel(address, DISCARD))
            if offload:
                probe.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, SMALL)
                probe.send(bytes(2 * SMALL))
            else:
                probe.send(bytes(SMALL))
        except ConnectionRefusedError:  # the word of a host that is here, about an earlier datagram
            return ""
        except OSError as error:
            return _errno_name(error)
    return ""


def _errno_name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, str(error))
