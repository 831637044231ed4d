"""Policies and packets at random, and a kernel that judges the packets: a namespace with the overlay's device, a LAN beside it,
and a policy's chains."""

from __future__ import annotations

import asyncio
import fcntl
import ipaddress
import os
import random
import select
import socket
import struct
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, NamedTuple, Self, cast

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.packet import Raw

from appliance.api.access import What
from appliance.api.planning import HostState
from appliance.api.profile import Profile
from appliance.linux import nftables, tun
from appliance.members.certificate import Certificate
from appliance.planning import own
from appliance.planning.desired import desired
from appliance.planning.ledger import Ledger
from appliance.policy.subjects import HERE, Directory, Party, Subject
from appliance.runtime.peers.table import Origin, PeerEntry, PeerTable
from appliance.runtime.policy.access import Access

OVERLAY, LAN = "llp0", "lan0"
OWN = ("10.8.0.1", "fd00:8::1")
BEHIND = ("10.9.0.7", "10.9.200.1", "fd00:9::7")
STRANGERS = ("10.8.7.7", "fd00:8::7:7")
ON_LAN = ("192.168.5.20", "fd00:5::20")
MARK = b"judged"
TAGS = ("admin", "guest", "slow")
PORTS = (22, 80, 842, 5000, 5005, 5010, 8443)
SERVICES = ("ssh", "echo")
USED = ("tcp/22", "tcp/80", "tcp", "udp", "udp/5000-5010", "tcp/5005-8443", "icmp", "icmpv6", "50", "99", "services")
PARTIES = tuple(
    Party(
        f"peer{number}" if number < 7 else "",
        (ipaddress.ip_address(f"10.8.0.{number}"), ipaddress.ip_address(f"fd00:8::{number}")),
        frozenset(tag for bit, tag in enumerate(TAGS) if number >> bit & 1 and number < 6),
        member=number < 6,
    )
    for number in range(2, 8)
)
DIRECTORY = Directory(PARTIES)
WORDS = ("any", "peers", "members", *(f"tag:{tag}" for tag in TAGS), *(f"peer{number}" for number in range(2, 7)))
PREFIXES = ("10.8.0.0/30", "10.8.0.0/16", "10.8.0.3/32", "10.9.0.0/17", "10.9.0.0/16", "fd00:8::/64", "fd00:9::/64")
SENDERS = (*WORDS, *PREFIXES, "192.168.5.0/24", "fd00:5::/64")
SETTINGS = (
    *("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"),
    *(f"net.ipv4.conf.{which}.rp_filter=0" for which in ("all", "default", OVERLAY, LAN)),
    *(f"net.ipv6.conf.{which}.accept_dad=0" for which in (OVERLAY, LAN)),
)
LAST = 2**32 - 1


class Packet(NamedTuple):
    """Something that begins, and what tells it from others."""

    device: str
    """Where it comes in."""
    source: str
    destination: str
    what: What
    number: int

    @property
    def version(self) -> int:
        return 6 if ":" in self.source else 4

    @property
    def subject(self) -> Subject:
        """Who sends it, as far as this node may believe: what comes from elsewhere than the overlay is nobody in particular."""
        address = ipaddress.ip_address(self.source)
        return DIRECTORY.subject(address) if self.device == OVERLAY else Subject((ipaddress.ip_network(address),))

    @property
    def target(self) -> Subject:
        return HERE if self.destination in OWN else DIRECTORY.subject(ipaddress.ip_address(self.destination))

    def encoded(self) -> bytes:
        mark = Raw(MARK + struct.pack("!I", self.number))
        source_port, port = 1024 + self.number % 60000, (self.what.ports or (0, 0))[0]
        ping = ICMP(type=8, id=self.number & 0xFFFF) if self.version == 4 else ICMPv6EchoRequest(id=self.number & 0xFFFF)
        inner = {6: TCP(sport=source_port, dport=port, flags="S"), 17: UDP(sport=source_port, dport=port), 1: ping, 58: ping}
        payload = inner[self.what.protocol] / mark if self.what.protocol in inner else mark
        if self.version == 4:
            return bytes(IP(src=self.source, dst=self.destination, proto=self.what.protocol) / payload)
        return bytes(IPv6(src=self.source, dst=self.destination, nh=self.what.protocol) / payload)


def random_profile(chance: random.Random) -> Profile:
    """One with a policy of up to eight rules."""
    rules = []
    for _ in range(chance.randint(0, 8)):
        rule: dict[str, Any] = {
            "from": chance.sample(SENDERS, chance.randint(1, 3)),
            "what": chance.sample((*USED, *(f"service:{name}" for name in SERVICES)), chance.randint(0, 3)),
        }
        if chance.random() < 0.6:
            rule["to"] = chance.sample((*WORDS, *PREFIXES, "self"), chance.randint(1, 3))
        rules.append(rule)
    network = {"addresses": [f"{OWN[0]}/16", f"{OWN[1]}/64"], "forward": True}
    return Profile.model_validate({"profile": 1, "network": network, "policy": {"allow": rules}})


def random_packet(chance: random.Random, number: int) -> Packet:
    """From a peer, from behind one, from nobody, or from the LAN under anybody's address; for this node or further on."""
    version = chance.choice((4, 6))
    device = chance.choice((OVERLAY, OVERLAY, OVERLAY, LAN))
    peers = [str(address) for party in PARTIES for address in party.addresses]
    sources = [*peers, *STRANGERS, *BEHIND] if device == OVERLAY else [*ON_LAN, *peers]
    targets = [*OWN * 6, *peers, *BEHIND] if device == OVERLAY else peers
    of_version = {6: lambda text: ":" in text, 4: lambda text: ":" not in text}[version]
    source = chance.choice([*filter(of_version, sources)])
    destination = chance.choice([text for text in filter(of_version, targets) if text != source])
    # What has no ports cannot be told from an answer to what was sent the other way: only to this node, which sends nothing.
    protocols = (6, 6, 17, 17, 1, 50, 99) if destination in OWN else (6, 6, 17, 17, 1)
    protocol = chance.choice(protocols)
    ports = (chance.choice(PORTS),) * 2 if protocol in {6, 17} else None
    protocol = 58 if protocol == 1 and version == 6 else protocol
    return Packet(device, source, destination, What(None, protocol, ports), number)


class Kernel:
    """To be used inside a namespace of its own."""

    def __init__(self) -> None:
        self._devices: dict[str, int] = {}
        self._raw: list[socket.socket] = []
        self.table, self._access = peers_and_access()

    def __enter__(self) -> Self:
        for name in (OVERLAY, LAN):
            self._devices[name] = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(self._devices[name], tun.TUNSETIFF, struct.pack("16sH22x", name.encode(), tun.IFF_TUN | tun.IFF_NO_PI))
        sh(f"sysctl -qw {' '.join(SETTINGS)}; ip link set {OVERLAY} up; ip link set {LAN} up")
        for mine, lan, behind in (
            (f"{OWN[0]}/16", "192.168.5.1/24", "10.9.0.0/16"),
            (f"{OWN[1]}/64", "fd00:5::1/64", "fd00:9::/64"),
        ):
            sh(f"ip addr add {mine} dev {OVERLAY}; ip addr add {lan} dev {LAN}; ip route add {behind} dev {LAN}")
        for family, protocols in ((socket.AF_INET, (1, 6, 17, 50, 99)), (socket.AF_INET6, (6, 17, 50, 58, 99))):
            self._raw += [socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, number) for number in protocols]
        return self

    def __exit__(self, *_exc: object) -> None:
        for sock in self._raw:
            sock.close()
        for descriptor in self._devices.values():
            os.close(descriptor)

    def use(self, profile: Profile) -> Access:
        """Its policy is in force, and the peers are there."""
        table = desired(profile, HostState(tools={"nft": "nft"}), Ledger()).table
        asyncio.run(nftables.replace({"table": own.TABLE, "ruleset": table}))
        asyncio.run(self._access.use(profile))
        assert not self._access.problem
        return self._access

    def passed(self, packets: Sequence[Packet]) -> set[int]:
        """The numbers of those that came to where they were for. One more that nothing denies says that all were judged."""
        last = Packet(OVERLAY, str(PARTIES[0].addresses[0]), OWN[0], What(None, 17, (842, 842)), LAST)
        for packet in (*packets, last):
            os.write(self._devices[packet.device], packet.encoded())
        found: set[int] = set()
        while LAST not in found:
            readers: list[int | socket.socket] = [*self._devices.values(), *self._raw]
            ready = select.select(readers, [], [], 60.0)[0]
            assert ready, "the packet that nothing denies did not come through"
            found |= {number for each in ready for data in waiting(each) for number in numbers(each, data)}
        return found - {LAST}


def peers_and_access() -> tuple[PeerTable, Access]:
    """The parties as the peers of a running node, and its policy."""
    entries, members = [], {}
    for number, party in enumerate(PARTIES):
        identity = "llp1:" + "abcdefgh"[number] * 51 + "a"
        prefixes = tuple(ipaddress.ip_network(address) for address in party.addresses)
        origin = Origin.PROFILE if party.name and not party.member else Origin.MEMBER
        entries.append(PeerEntry(party.name or "brought", identity, allowed=prefixes, origin=origin))
        if party.member:
            members[identity] = SimpleNamespace(addresses=party.addresses, tags=tuple(party.tags))
    table = PeerTable([entry for entry in entries if entry.origin is Origin.PROFILE])
    for entry in entries:
        if entry.origin is Origin.MEMBER:
            table.add(entry)
    certificates = cast("Mapping[str, Certificate]", members)  # nothing else of them matters
    return table, Access(table, lambda: certificates, own.TABLE)


def waiting(source: int | socket.socket) -> Iterator[bytes]:
    """All that can be read without waiting."""
    with suppress(BlockingIOError):
        while True:
            yield os.read(source if isinstance(source, int) else source.fileno(), 65536)


def numbers(source: int | socket.socket, data: bytes) -> Iterator[int]:
    """The number of a packet of ours, as it was sent; nothing of an error or an answer that quotes one."""
    if isinstance(source, int) or source.family == socket.AF_INET:
        version, protocol = data[0] >> 4, data[9] if data[0] >> 4 == 4 else data[6]
        inner = data[20 if version == 4 else 40 :]
    else:
        protocol, inner = source.proto, data
    if MARK in inner and (protocol not in {1, 58} or inner[0] in {8, 128}):
        yield struct.unpack_from("!I", inner, inner.rindex(MARK) + len(MARK))[0]


def sh(script: str) -> None:
    subprocess.run(["sh", "-ec", script], check=True)
