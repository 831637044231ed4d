"""The interface is no place to hear of routers: what a peer sends as one changes nothing on the host."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from scapy.layers.inet6 import (
    ICMPv6ND_RA,
    ICMPv6ND_Redirect,
    ICMPv6NDOptMTU,
    ICMPv6NDOptPrefixInfo,
    IPv6,
)
from scapy.packet import raw

from appliance.linux import tun
from tests.netns.profiles import profile
from tests.netns.test_apply import apply_profile, plan_profile, rollback
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns
ROUTER = IPv6(src="fe80::1", dst="ff02::1", hlim=255)
ADVERTISEMENT = (
    ROUTER
    / ICMPv6ND_RA(routerlifetime=1800)
    / ICMPv6NDOptMTU(mtu=1280)
    / ICMPv6NDOptPrefixInfo(prefix="fd00:66::", prefixlen=64, validlifetime=3600, preferredlifetime=3600)
)
QUIET = {
    "net.ipv6.conf.llp0.accept_ra",
    "net.ipv6.conf.llp0.accept_redirects",
    "net.ipv4.conf.llp0.accept_redirects",
    "net.ipv4.conf.llp0.send_redirects",
    "net.ipv4.conf.llp0.accept_source_route",
}


def comes(namespace: Throwaway, packet: bytes) -> None:
    """The packet comes in by the device, as the worker would write it. When this returns the kernel is done with it."""

    def write() -> None:
        device = tun.attach("llp0")
        os.write(device.fd, bytes(10) + packet)
        device.close()

    namespace.run(write)


def seen(namespace: Throwaway) -> object:
    """Routes, addresses of the device, and the MTU that IPv6 uses there."""
    addresses = json.loads(namespace.sh("ip -j -6 addr show dev llp0"))
    return (
        namespace.sh("ip -6 route show table all | grep -v ^multicast | grep -v ^fe80 | grep -v 'local fe80'"),
        [entry["local"] for entry in addresses[0]["addr_info"] if entry["scope"] == "global"],
        namespace.sh("sysctl -n net.ipv6.conf.llp0.mtu"),
    )


def test_an_advertisement_makes_no_route_no_address_and_no_mtu(namespace: Throwaway, state_dir: Path) -> None:
    namespace.run(apply_profile, profile([{}]), state_dir)
    before = seen(namespace)
    comes(namespace, raw(ADVERTISEMENT))
    comes(namespace, raw(IPv6(src="fe80::1", dst="fd00:8::1", hlim=255) / ICMPv6ND_Redirect(tgt="fe80::1", dst="fd00:8::2")))
    assert seen(namespace) == before


def test_it_would_without_the_settings(namespace: Throwaway, state_dir: Path) -> None:
    """The packet is one that a kernel believes."""
    namespace.run(apply_profile, profile([{}], sysctls={"net.ipv6.conf.llp0.accept_ra": "1"}), state_dir)
    before = seen(namespace)
    comes(namespace, raw(ADVERTISEMENT))
    assert seen(namespace) != before


def test_the_settings_are_steps_that_are_undone(namespace: Throwaway, state_dir: Path) -> None:
    namespace.sh("ip tuntap add dev llp0 mode tun vnet_hdr user root group root; ip link set llp0 addrgenmode none")
    before = namespace.snapshot()
    made = namespace.run(apply_profile, profile([{}]), state_dir)
    assert {step.do.args["key"] for step in made.plan.steps if step.do.verb == "sysctl.set"} == QUIET
    for key in QUIET:
        assert namespace.sh(f"sysctl -n {key}") == "0\n"
    assert namespace.run(plan_profile, profile([{}]), state_dir).steps == ()
    namespace.sh("sysctl -qw net.ipv6.conf.llp0.accept_ra=1")
    [step] = namespace.run(plan_profile, profile([{}]), state_dir).steps
    assert step.do.args == {"key": "net.ipv6.conf.llp0.accept_ra", "value": "0"}
    namespace.run(rollback, state_dir)
    assert namespace.snapshot() == before


def test_a_host_without_ipv6_is_not_asked_for_its_settings(namespace: Throwaway, state_dir: Path) -> None:
    made = namespace.run(apply_profile, profile([{}], addresses=["10.8.0.1/24"], mtu=1200), state_dir)
    assert {step.do.args["key"] for step in made.plan.steps if step.do.verb == "sysctl.set"} == {
        key for key in QUIET if key.startswith("net.ipv4")
    }
