"""A laptop that sends everything to the office, over a router; then its uplink changes under way.

laptop ── wire1 ── router ── office (198.51.100.7), with 203.0.113.1 and 2001:db8:1::1, which the router does not know
       ── wire2 ──
"""

from __future__ import annotations

import json
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.dns import DNS, DNSRR

from tests.netns.daemons import Host
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

UPLINK = """
ip link set wire{n} addrgenmode none; ip link set wire{n} up
ip addr add 192.0.{n}.10/24 dev wire{n}; ip addr add 2001:db8:{n}0::10/64 dev wire{n} nodad
ip route add default via 192.0.{n}.1; ip -6 route add default via 2001:db8:{n}0::1
until ip -6 route show table local dev wire{n} | grep -q "^local 2001:db8:{n}0::10 "; do :; done # the carrier is there
"""
LAPTOP = """profile: 1
name: laptop
server: {{identity: file:1.key}}
network: {{addresses: [10.8.0.1/24, "fd00:8::1/64"], full_tunnel: true}}
plugins: [transport-ip, crypto-standard, routing-static]
peers:
  - {{name: office, identity: "{identity}", endpoints: ["{endpoint}"], allowed: [0.0.0.0/0, "::/0"], keepalive: 1s}}
"""
OFFICE = """profile: 1
name: office
server: {{identity: file:2.key, listen: ["udp://0.0.0.0:8443", "tcp://0.0.0.0:8443", "udp://[::]:8443"]}}
network: {{addresses: [10.8.0.2/24, "fd00:8::2/64"]}}
plugins: [transport-ip, crypto-standard, routing-static]
peers:
  - {{name: laptop, identity: "{identity}", allowed: [10.8.0.1/32, "fd00:8::1/128"], keepalive: 1s}}
"""


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[tuple[Host, Host, Throwaway]]:
    with Throwaway() as laptop, Throwaway() as router, Throwaway() as office:
        # it solicits neighbours from its link-local addresses, and is not to wait for them
        router.sh("sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0")
        for n in (1, 2):
            router.sh(f"ip link add wire{n} type veth peer name wire{n} netns {laptop.name}")
            router.sh(
                f"ip addr add 192.0.{n}.1/24 dev wire{n};"
                f"ip addr add 2001:db8:{n}0::1/64 dev wire{n} nodad; ip link set wire{n} up"
            )
        router.sh(f"ip link add out type veth peer name out netns {office.name}")
        router.sh(
            "ip addr add 198.51.100.1/24 dev out; ip addr add 2001:db8::1/64 dev out nodad;"
            "ip link set out up; sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1"
        )
        office.sh(
            "ip link set out addrgenmode none; ip addr add 198.51.100.7/24 dev out; ip addr add 2001:db8::7/64 dev out nodad;"
            "ip link set out up; ip route add 192.0.0.0/16 via 198.51.100.1; ip -6 route add 2001:db8::/32 via 2001:db8::1;"
            "ip addr add 203.0.113.1/32 dev lo; ip addr add 2001:db8:1::1/128 dev lo nodad"
        )
        laptop.sh("sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1")
        laptop.sh(UPLINK.format(n=1))
        first, second = Host(laptop, tmp_path, 1), Host(office, tmp_path, 2)
        second.profile.write_text(OFFICE.format(identity=first.identity.fingerprint))
        try:
            yield first, second, router
        finally:
            for host in (first, second):
                if host.process is not None:
                    host.stop()


def carried(host: Host) -> tuple[int, int]:
    """Packets that came and went in the one session."""
    [session] = host.status()["sessions"]
    return session["rx_packets"], session["tx_packets"]


def filtering(snapshot: dict[str, Any]) -> set[str]:
    return {line for line in snapshot["settings"] if "rp_filter" in line}


@pytest.mark.parametrize("endpoint", ["udp://198.51.100.7:8443", "tcp://198.51.100.7:8443", "udp://[2001:db8::7]:8443"])
def test_everything_goes_through_the_tunnel_and_outlives_the_uplink(endpoint: str, ends: tuple[Host, Host, Throwaway]) -> None:
    laptop, office, router = ends
    laptop.profile.write_text(LAPTOP.format(identity=office.identity.fingerprint, endpoint=endpoint))
    admin = {"SSH_CONNECTION": "192.0.1.1 50000 192.0.1.10 22"}
    before = laptop.namespace.snapshot()

    office.start()
    laptop.start(**admin)  # without --confirm-within: an admin in the same network is not cut off
    for address in ("203.0.113.1", "2001:db8:1::1"):
        assert laptop.pings(address)
    assert min(carried(laptop)) >= 2
    assert min(carried(office)) >= 2
    [way] = json.loads(laptop.namespace.sh("ip -j route get 192.0.1.1"))
    assert way["dev"] == "wire1"
    assert laptop.command("plan", str(laptop.profile)).returncode == 0, "what is there is what the profile says"

    laptop.namespace.sh("ip link set wire1 down; ip addr flush dev wire1")
    laptop.namespace.sh(UPLINK.format(n=2))
    while endpoint.startswith("tcp") and office.status()["sessions"][0]["endpoint"].startswith("tcp://192.0.1."):
        laptop.pings("203.0.113.1")  # a connection has to be made anew
    for address in ("203.0.113.1", "2001:db8:1::1"):
        assert laptop.pings(address)
    assert office.status()["sessions"][0]["endpoint"].startswith(("udp://192.0.2.", "tcp://192.0.2.", "udp://[2001:db8:20:"))
    assert min(carried(laptop)) >= 2
    assert min(carried(office)) >= 2
    router.sh("! ip route get 203.0.113.1")

    laptop.namespace.sh("ip link set wire2 down; ip addr flush dev wire2")
    assert laptop.stop() == 0
    laptop.namespace.sh(UPLINK.format(n=1))
    after = laptop.namespace.snapshot()
    for noun in ("routes", "routes6", "rules", "rules6", "nftables"):
        assert after[noun] == before[noun], noun
    assert filtering(after) == filtering(before)


COUNTING = """
nft add table inet seen; nft add counter inet seen clear
nft add chain inet seen in '{ type filter hook prerouting priority raw; }'
nft add rule inet seen in ip daddr 203.0.113.1 counter name clear
nft add rule inet seen in ip6 daddr 2001:db8:1::1 counter name clear
"""
BEYOND = ("203.0.113.1", "2001:db8:1::1")


def in_clear(router: Throwaway) -> int:
    """Packets for what lies beyond the tunnel that the router has seen."""
    found = json.loads(router.sh("nft -j list counter inet seen clear"))["nftables"]
    return next(int(entry["counter"]["packets"]) for entry in found if "counter" in entry)


def unreachable(laptop: Host) -> int:
    """How many default routes of the overlay's table lead nowhere."""
    shown = laptop.namespace.sh("ip route show table 4214 type unreachable; ip -6 route show table 4214 type unreachable")
    return shown.count("default")


@pytest.mark.parametrize("change", ["ip link del llp0", "ip link set llp0 down"])
def test_nothing_leaves_in_clear_when_the_device_is_gone(change: str, ends: tuple[Host, Host, Throwaway]) -> None:
    laptop, office, router = ends
    laptop.profile.write_text(LAPTOP.format(identity=office.identity.fingerprint, endpoint="udp://198.51.100.7:8443"))
    router.sh(COUNTING)
    before = laptop.namespace.snapshot()
    office.start()
    laptop.start()
    for address in BEYOND:
        assert laptop.pings(address)
        laptop.namespace.sh(f"ping -m 4214 -c 1 -w 1 {address}", check=False)
    counted = in_clear(router)
    assert counted == len(BEYOND), "only what carries the mark goes out that way"

    assert laptop.process is not None
    laptop.process.send_signal(signal.SIGSTOP)
    try:
        laptop.namespace.sh(change)
        for address in BEYOND:
            assert "1 received" not in laptop.namespace.sh(f"ping -c 1 -w 1 {address}", check=False)
    finally:
        laptop.process.send_signal(signal.SIGCONT)
    laptop.hear("brought back what was missing on the host")
    for address in BEYOND:
        assert laptop.pings(address)
    assert in_clear(router) == counted
    laptop.namespace.sh("ip route del unreachable default table 4214; ip -6 route del unreachable default table 4214")
    laptop.hear("brought back what was missing on the host", times=2)
    assert unreachable(laptop) == 2

    assert laptop.stop() == 0
    after = laptop.namespace.snapshot()
    for noun in ("routes", "routes6", "rules", "rules6"):
        assert after[noun] == before[noun], noun


def test_rollback_takes_the_unreachable_routes_away(ends: tuple[Host, Host, Throwaway]) -> None:
    laptop, office, _ = ends
    laptop.profile.write_text(LAPTOP.format(identity=office.identity.fingerprint, endpoint="udp://198.51.100.7:8443"))
    before = laptop.namespace.snapshot()
    assert laptop.command("apply", str(laptop.profile)).returncode == 0
    assert unreachable(laptop) == 2
    assert laptop.command("plan", str(laptop.profile)).returncode == 0
    assert laptop.command("rollback").returncode == 0
    after = laptop.namespace.snapshot()
    for noun in ("routes", "routes6", "rules", "rules6"):
        assert after[noun] == before[noun], noun


def test_a_full_tunnel_that_was_given_up_is_undone_with_all_else(ends: tuple[Host, Host, Throwaway]) -> None:
    """Giving it up removes its unreachable routes, which lead over no interface; undoing that puts them there for a moment."""
    laptop, office, _ = ends
    text = LAPTOP.format(identity=office.identity.fingerprint, endpoint="udp://198.51.100.7:8443")
    before = laptop.namespace.snapshot()
    for profile in (text, text.replace("full_tunnel: true", "full_tunnel: false")):
        laptop.profile.write_text(profile)
        assert laptop.command("apply", str(laptop.profile)).returncode == 0
    done = laptop.command("rollback")
    assert done.returncode == 0, done.stderr
    after = laptop.namespace.snapshot()
    for noun in ("routes", "routes6", "rules", "rules6"):
        assert after[noun] == before[noun], noun


def test_a_name_is_looked_up_outside_of_a_tunnel_that_is_not_there_yet(
    ends: tuple[Host, Host, Throwaway], tmp_path: Path
) -> None:
    laptop, office, _ = ends
    profile = LAPTOP.format(identity=office.identity.fingerprint, endpoint="udp://office.example:8443")
    laptop.profile.write_text(profile.replace("routing-static", "routing-static, discovery-bootstrap"))
    resolver = tmp_path / "resolv.conf"
    resolver.write_text("nameserver 198.51.100.7\noptions timeout:1 attempts:1\n")
    laptop.entering += ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', str(resolver)]
    asking: list[str] = []
    with office.namespace.run(name_server) as serving:
        answers = threading.Thread(target=answer, args=(serving, asking), daemon=True)
        answers.start()
        office.start()
        laptop.start()
        laptop.hear("session ready")
        assert laptop.pings("203.0.113.1")
        assert min(carried(laptop)) >= 1
        assert min(carried(office)) >= 1
        assert asking[0] == "192.0.1.10", "the first to ask did so outside"
        with suppress(OSError):  # it says ENOTCONN, and wakes the thread all the same
            serving.shutdown(socket.SHUT_RDWR)
        answers.join()


def name_server() -> socket.socket:
    """A socket of the namespace it is called in, whichever thread then uses it."""
    serving = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    serving.bind(("198.51.100.7", 53))
    return serving


def answer(serving: socket.socket, asking: list[str]) -> None:
    """Every name is the office's, until the socket is shut down."""
    while True:
        message, source = serving.recvfrom(4096)
        if not message:
            return
        heard = DNS(message)
        asking.append(source[0])
        records = [DNSRR(rrname=heard.qd[0].qname, type="A", rdata="198.51.100.7")] if heard.qd[0].qtype == 1 else []
        serving.sendto(bytes(DNS(id=heard.id, qr=1, qd=heard.qd, an=records)), source)


def test_lower_halves_of_the_address_space_can_be_ruled(namespace: Throwaway, tmp_path: Path) -> None:
    host = Host(namespace, tmp_path, 1)
    host.profile.write_text(
        "profile: 1\nserver: {identity: file:1.key}\n"
        'network: {addresses: [10.8.0.1/24, "fd00:8::1/64"], rules: ['
        '{to: 0.0.0.0/1, table: 100, priority: 100}, {to: "::/1", table: 100, priority: 100},'
        "{from: 0.0.0.0/1, table: 100, priority: 101}]}\n"
    )
    applied = host.command("apply", str(host.profile))
    assert applied.returncode == 0, applied.stderr
    assert "from all to 0.0.0.0/1 lookup 100" in namespace.sh("ip rule")
    assert "from 0.0.0.0/1 lookup 100" in namespace.sh("ip rule")
    assert "from all to ::/1 lookup 100" in namespace.sh("ip -6 rule")
    assert host.command("plan", str(host.profile)).returncode == 0
    assert host.command("rollback").returncode == 0
    assert "lookup 100" not in namespace.sh("ip rule; ip -6 rule")
