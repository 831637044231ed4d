"""What the kernel reports about changes of a host's network, cheaply: only whether something may matter, and who changed it.

Raw sockets instead of pyroute2 (docs/adr/0011): a running node hears these reports all its life, and seldom looks into them. Only
holders of CAP_NET_ADMIN hear about nftables.

    struct ifinfomsg { u8 family, pad; u16 type; i32 index; u32 flags; u32 change; }
    struct rtmsg     { u8 family, dst_len, src_len, tos, table, protocol, scope, type; }  linux/rtnetlink.h
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from appliance.linux.rtnetlink import LOST, MOST_BYTES, attributes, messages

NETLINK_ROUTE, NETLINK_NETFILTER = 0, 12
LINK, IPV4_ADDRESS, IPV4_ROUTE, IPV4_RULE, IPV6_ADDRESS, IPV6_ROUTE, IPV6_RULE, IPV4_CONF, IPV6_CONF = (
    1, 5, 7, 8, 9, 11, 19, 24, 25,
)  # fmt: skip
GROUPS: Final = sum(
    1 << group - 1
    for group in (LINK, IPV4_ADDRESS, IPV4_ROUTE, IPV4_RULE, IPV6_ADDRESS, IPV6_ROUTE, IPV6_RULE, IPV4_CONF, IPV6_CONF)
)
"""RTNLGRP_*: links, addresses, routes, rules, and forwarding and rp_filter of IPv4 and IPv6."""
NFT_GROUP: Final = 1 << 7 - 1
"""NFNLGRP_NFTABLES"""
ROUTES: Final = frozenset({24, 25})
"""RTM_NEWROUTE, RTM_DELROUTE"""
NEW_ROUTE, NEW_ADDRESS, DELETED_LINK = 24, 20, 17
ADDRESSES: Final = frozenset({0, 20, 21})
"""RTM_NEWADDR, RTM_DELADDR, and 0 for reports that were lost"""
LINKS: Final = frozenset({16, 17})
"""RTM_NEWLINK, RTM_DELLINK"""
LINK_NAME, LINK_MTU = 3, 4
KERNEL, SCOPE_LINK = 2, 253
"""Routes that the kernel adds, and link-local addresses: nobody has to react to them."""
ROUTERS: Final = frozenset({11, 12, 42, 99, 186, 187, 188, 189, 192})
"""Protocol numbers of routing daemons (linux/rtnetlink.h). A full table of theirs changes all day, and none of it is ours."""
ELEMENTS: Final = frozenset({10 << 8 | 12, 10 << 8 | 14})
"""NFT_MSG_NEWSETELEM, NFT_MSG_DELSETELEM: what sets hold is the affair of who fills them, and no part of a plan."""
RULES: Final = range(10 << 8, (10 << 8 | 8) + 1)
"""NFT_MSG_NEWTABLE to NFT_MSG_DELRULE: tables, chains and rules."""
NEW_GENERATION: Final = 10 << 8 | 15
"""NFT_MSG_NEWGEN, which ends a transaction and names the process that made it."""
PROCESS_ID, PROCESS_NAME = 2, 3
PORT_PROCESS: Final = (1 << 22) - 1
"""The part of a port number that libraries take from their process number."""
BUDGET: Final = 64
"""Reads in one turn. What is left is read in the next one."""

_link = struct.Struct("=BxHiII")


class HostEvents:
    """What the kernel reports."""

    def __init__(self, tables: Collection[str], interface: str = "", on_addresses: Callable[[], None] = lambda: None) -> None:
        """`tables` are the names of the nftables tables that matter. `on_addresses()` is called when an address or a link
        of the host came, went or changed, whoever did it."""
        self.interface = interface
        """The name of the node's own interface."""
        self._on_addresses = on_addresses
        self._seen: tuple[int, bytes | None] | None = None
        self._tables = tuple(table.encode() + b"\0" for table in tables)
        self.ours: set[int] = {os.getpid()}
        """Numbers of processes whose changes are our own."""
        self.author = ""
        """Who made the last change that may matter; empty if that is not known."""
        self._others = False
        self._route = _bound(NETLINK_ROUTE, GROUPS)
        self._nft: socket.socket | None = None
        with suppress(OSError):
            self._nft = _bound(NETLINK_NETFILTER, NFT_GROUP)

    def filenos(self) -> tuple[int, ...]:
        """Descriptors that are readable when there is something to hear."""
        return (self._route.fileno(), *(() if self._nft is None else (self._nft.fileno(),)))

    def changed(self) -> bool:
        """Read what there is. True if something changed that may matter."""
        heard = [message for data in _read(self._route) for message in messages(data)]
        if any(kind in ADDRESSES or kind in LINKS for kind, _, _ in heard):
            self._on_addresses()
        routes = [self._matters(*message) for message in heard]
        tables = False if self._nft is None else self._read_tables(self._nft)
        return any(routes) or tables

    def firewalls_changed(self) -> bool:
        """Did others change rules of theirs since this was asked last? `changed` does not tell of it."""
        others, self._others = self._others, False
        return others

    def close(self) -> None:
        """Stop listening."""
        self._route.close()
        if self._nft is not None:
            self._nft.close()

    def _matters(self, kind: int, port: int, body: bytes) -> bool:
        if not kind:  # reports were lost
            return True
        if kind in ROUTES and len(body) > 5 and (body[5] in ROUTERS or (kind == NEW_ROUTE and body[5] == KERNEL)):
            return False
        if (kind == NEW_ADDRESS and body[3] == SCOPE_LINK) or (kind in LINKS and self._is_known(kind, body)):
            return False
        self._by(port & PORT_PROCESS, "")
        return True

    def _is_known(self, kind: int, body: bytes) -> bool:
        """Is it our own interface, with the state and MTU that it had? When a worker comes or goes, only its carrier changes."""
        said = dict(attributes(body[_link.size :]))
        if said.get(LINK_NAME, b"").rstrip(b"\0") != self.interface.encode():
            return False
        before, self._seen = self._seen, None if kind == DELETED_LINK else (_link.unpack_from(body)[3] & 1, said.get(LINK_MTU))
        return self._seen is not None and self._seen == before

    def _read_tables(self, sock: socket.socket) -> bool:
        found = False
        for data in _read(sock):
            for kind, _, body in messages(data):
                if kind == NEW_GENERATION:
                    said = dict(attributes(body[4:]))
                    if found:
                        process = int.from_bytes(said.get(PROCESS_ID, b""), "big")
                        self._by(process, said.get(PROCESS_NAME, b"").rstrip(b"\0").decode(errors="replace"))
                elif not kind or (kind not in ELEMENTS and any(table in body for table in self._tables)):
                    found = True
                elif kind in RULES:
                    self._others = True
        return found

    def _by(self, process: int, name: str) -> None:
        if process and process not in self.ours:
            self.author = f"{name or _name_of(process)} (pid {process})"


def _bound(protocol: int, groups: int) -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol)
    try:
        sock.bind((0, groups))
    except OSError:
        sock.close()
        raise
    return sock


def _read(sock: socket.socket) -> Iterator[bytes]:
    for _ in range(BUDGET):
        try:
            yield sock.recv(MOST_BYTES)
        except BlockingIOError:
            return
        except OSError:  # ENOBUFS: more was reported than fits
            yield LOST


def _name_of(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:  # it has ended
        return "a program"
