"""Tries where a profile listens and how its peers are reached: a port is bound for a moment, the routing table is asked, and two
datagrams are sent that live for one hop."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Sequence

from appliance.api.values import Endpoint
from appliance.cli.doctor.facts import ListenFacts, PathFacts
from appliance.runtime import clock

IP_MTU = {socket.AF_INET: (socket.IPPROTO_IP, 14), socket.AF_INET6: (socket.IPPROTO_IPV6, 24)}
"""IP_MTU and IPV6_MTU of ip(7) and ipv6(7)."""
UDP_SEGMENT = 103
DISCARD = 9
SMALL = 512
"""Bytes that every path takes as one datagram."""
RESOLVE_SECONDS = 3.0
"""For all names together; the system's resolver alone may take 30 s over one."""


def try_listening(endpoint: Endpoint) -> ListenFacts:
    """Bind `endpoint` and let go of it at once."""
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    kind = socket.SOCK_STREAM if endpoint.scheme == "tcp" else socket.SOCK_DGRAM
    with socket.socket(family, kind) as probe:
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((endpoint.host, endpoint.port))
            if kind == socket.SOCK_STREAM:
                probe.listen(1)
        except OSError as error:
            return ListenFacts(str(endpoint), _errno_name(error))
    return ListenFacts(str(endpoint))


def look_up(peers: Sequence[tuple[str, Sequence[Endpoint]]]) -> tuple[PathFacts, ...]:
    """The path to each endpoint of each peer, names resolved side by side."""
    wanted = [(peer, endpoint) for peer, endpoints in peers for endpoint in endpoints]
    found = resolve({endpoint.host for _, endpoint in wanted})
    return tuple(look_at_path(peer, endpoint, found.get(endpoint.host, "")) for peer, endpoint in wanted)


def resolve(hosts: set[str], seconds: float = RESOLVE_SECONDS) -> dict[str, str]:
    """The first address of each host that has one within `seconds`."""
    found: dict[str, str] = {}
    threads = [threading.Thread(target=_resolve_one, args=(host, found), daemon=True) for host in sorted(hosts)]
    for thread in threads:
        thread.start()
    deadline = clock.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - clock.monotonic()))
    return dict(found)


def look_at_path(peer: str, endpoint: Endpoint, address: str) -> PathFacts:
    """What the routing table says about the way to `address`."""
    if not address:
        return PathFacts(peer, str(endpoint), problem="unresolvable")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, endpoint.port))
            mtu = probe.getsockopt(*IP_MTU[family])
        except OSError as error:
            return PathFacts(peer, str(endpoint), address, problem=_errno_name(error))
    problem = offload_problem(address) if endpoint.scheme == "udp" else ""
    return PathFacts(peer, str(endpoint), address, mtu_bytes=mtu, offload_problem=problem)


def offload_problem(address: str) -> str:
    """Why the kernel does not cut a record into datagrams on the way to `address`; "" when it does, or sends nothing at all."""
    refused = _send_two(address, offload=True)
    return refused if refused and not _send_two(address, offload=False) else ""


def _send_two(address: str, *, offload: bool) -> str:
    """Two datagrams to the port `discard`, with a life of one hop."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    hops = (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS) if family == socket.AF_INET6 else (socket.IPPROTO_IP, socket.IP_TTL)
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.setsockopt(*hops, 1)
        try:
            probe.connect((address, DISCARD))
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


def _resolve_one(host: str, found: dict[str, str]) -> None:
    try:
        found[host] = str(socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)[0][4][0])
    except (OSError, UnicodeError):
        return


def _errno_name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, str(error))
