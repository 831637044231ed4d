"""The underlay of a lab: wires, which are veth pairs between namespaces. If more than two hosts meet, a bridge in a namespace of
its own."""

from __future__ import annotations

from collections.abc import Mapping

from appliance.lab.definition import LinkEntry
from appliance.lab.loading import underlay_address
from appliance.lab.namespace import Namespace, ip


def lay(link: LinkEntry, hosts: Mapping[str, Namespace], switch: Namespace | None) -> None:
    """Connect the hosts of one wire and give them their addresses. `switch` is needed if they are more than two. Raises
    HostError."""
    if switch is None:
        one, other = (hosts[name].name for name in link.hosts)
        ip("link", "add", link.name, "netns", one, "type", "veth", "peer", "name", link.name, "netns", other)
    else:
        _lay_switch(link, hosts, switch)
    for name in link.hosts:
        _address(link, name, hosts[name].name)


def set_address(namespace: str, device: str, address: str, length: int) -> None:
    """Add an address that is usable at once, without duplicate address detection. Raises HostError."""
    nodad = ["nodad"] if ":" in address else []
    ip("addr", "add", f"{address}/{length}", "dev", device, *nodad, namespace=namespace)


def is_settled(namespace: str, device: str) -> bool:
    """Has the kernel noticed the device's carrier? Then IPv6 multicast has its route. Raises HostError."""
    return "multicast" in ip("-6", "route", "show", "table", "local", "dev", device, namespace=namespace)


def _lay_switch(link: LinkEntry, hosts: Mapping[str, Namespace], switch: Namespace) -> None:
    bridge = "switch"
    ip("link", "add", bridge, "mtu", str(link.mtu), "type", "bridge", namespace=switch.name)
    for number, name in enumerate(link.hosts):
        port = f"port{number}"
        peer = ["peer", "name", link.name, "netns", hosts[name].name]
        ip("link", "add", port, "netns", switch.name, "mtu", str(link.mtu), "type", "veth", *peer)
        ip("link", "set", port, "master", bridge, "up", namespace=switch.name)
    ip("link", "set", bridge, "up", namespace=switch.name)


def _address(link: LinkEntry, host: str, namespace: str) -> None:
    # a link-local address would come some time later, and look like something the node left behind
    ip("link", "set", link.name, "addrgenmode", "none", namespace=namespace)
    for prefix in (link.ipv4, link.ipv6):
        if prefix is not None:
            address = underlay_address(link, host, prefix.version)
            assert address is not None
            set_address(namespace, link.name, address, prefix.prefixlen)
    ip("link", "set", link.name, "mtu", str(link.mtu), "up", namespace=namespace)
