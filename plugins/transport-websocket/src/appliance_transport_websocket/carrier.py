"""The carrier: a process that speaks TLS and WebSocket for the links of one transport, so that the node need not.

    python -m appliance_transport_websocket.carrier FD

FD is a SEQPACKET socket to the node. What it says, each one message of JSON, some with descriptors:

    {"authorities", "verify", "certificate", "key"}                              first, answered by {"ready": true} or {"error"}
    {"id", "place", "proxy": {"shown", "request"} | null, "seconds"} + 2 sockets  call: a connected TCP socket, and the local end
    {"id", "place": null, "path", "seconds"} + 2 sockets                          answer

and what it hears: {"id", "error": "" or a sentence, "kind": "" or a word} when a link is there or will not be, and {"ended": how}
when one that was there is over. It gives up its privileges when it has read its files, and ends with the node.
"""

from __future__ import annotations

import asyncio
import base64
import ctypes
import json
import os
import socket
import ssl
import struct
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from appliance_transport_websocket.link import Link, NotEstablished, answering, calling
from appliance_transport_websocket.place import Place
from appliance_transport_websocket.proxy import LONGEST_ANSWER, ProxyRefused, judge
from appliance_transport_websocket.tls import client_context, in_words, server_context

LONGEST_MESSAGE: Final = 16384
NOBODY: Final = 65534
PR_SET_NO_NEW_PRIVS: Final = 38
LINUX_CAPABILITY_VERSION_3: Final = 0x20080522
"""linux/prctl.h, linux/capability.h."""
MOST_LINKS: Final = 4096


class Carrier:
    """All links of one transport."""

    def __init__(self, node: socket.socket, settings: Mapping[str, Any]) -> None:
        """Raises OSError (ssl.SSLError is one) if the settings' files are not what they should be."""
        self._node = node
        self._client = client_context(settings["authorities"], verify=settings["verify"])
        self._server = server_context(settings["certificate"], settings["key"])
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until the node is gone."""
        loop, gone = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._node, self._hear, gone)
        self.say({"ready": True})
        await gone.wait()

    def say(self, message: Mapping[str, Any]) -> None:
        """Tell the node. It reads promptly; what it has no room for is lost, as it is busy with more than our words then."""
        with suppress(OSError):
            self._node.send(json.dumps(message).encode())

    def _hear(self, gone: asyncio.Event) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(self._node, LONGEST_MESSAGE, 2)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        if not data:
            asyncio.get_running_loop().remove_reader(self._node)
            gone.set()
            return
        outside, pair = (socket.socket(fileno=descriptor) for descriptor in descriptors)
        for each in (outside, pair):
            each.setblocking(False)  # noqa: FBT003 - its name for it
        task = asyncio.get_running_loop().create_task(self._join(json.loads(data), outside, pair))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _join(self, order: Mapping[str, Any], outside: socket.socket, pair: socket.socket) -> None:
        shown = error = kind = ""
        try:
            if len(self._links) >= MOST_LINKS:
                raise NotEstablished("full", f"there are {MOST_LINKS} links already")
            async with asyncio.timeout(order["seconds"]):
                if order["place"] is None:
                    await self._answer(Place("", 0, order["path"]), outside, pair)
                else:
                    place = Place(*order["place"])
                    shown = place.shown
                    await self._call(place, order["proxy"], outside, pair)
        except Exception as failed:  # noqa: BLE001 - whatever a far end can cause: the node waits for a word
            kind = _kind_of(failed)
            says_it = isinstance(failed, ProxyRefused | NotEstablished) and str(failed)
            error = str(failed) if says_it else in_words(failed, shown)
            outside.close()
            pair.close()
        self.say({"id": order["id"], "error": error, "kind": kind})

    async def _call(self, place: Place, proxy: Mapping[str, str] | None, outside: socket.socket, pair: socket.socket) -> None:
        if proxy is not None:
            await _ask_proxy(outside, proxy, place)
        link = self._link(pair, calling(place), place)
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: link, sock=outside, ssl=self._client, server_hostname=place.name)
        await link.established

    async def _answer(self, place: Place, outside: socket.socket, pair: socket.socket) -> None:
        link = self._link(pair, answering(), place)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: link, outside, ssl=self._server)
        try:
            await link.established
        except BaseException:
            link.end("slow")
            raise

    def _link(self, pair: socket.socket, websocket: Any, place: Place) -> Link:
        def ended(how: str) -> None:
            self._links.discard(link)
            self.say({"ended": how})

        link = Link(pair, websocket, place, ended)
        self._links.add(link)
        return link


def _kind_of(failed: Exception) -> str:
    match failed:
        case NotEstablished():
            return failed.kind
        case TimeoutError():
            return "slow"
        case ssl.SSLError():
            return "tls"
        case ProxyRefused():
            return "proxy"
        case _:
            return "closed"


async def _ask_proxy(outside: socket.socket, proxy: Mapping[str, str], place: Place) -> None:
    """Have the proxy connect us. Raises OSError."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(outside, base64.b64decode(proxy["request"]))
    head = b""
    while b"\r\n\r\n" not in head:
        if len(head) > LONGEST_ANSWER:
            raise ProxyRefused(f"{proxy['shown']} does not answer as an HTTP proxy")
        data = await loop.sock_recv(outside, LONGEST_ANSWER)
        if not data:
            raise ProxyRefused(f"the proxy {proxy['shown']} closed the connection")
        head += data
    judge(head, proxy["shown"], place)


def give_up_privileges() -> None:
    """What far ends send is read here, so this process may do nothing but that. It may not even read its own code any more."""
    "name".encode("idna")  # loads that codec, which TLS needs
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.geteuid() == 0:
        with suppress(OSError):  # in a user namespace there may be nobody else
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
    libc.capset(struct.pack("=II", LINUX_CAPABILITY_VERSION_3, 0), bytes(24))


def main(descriptor: int) -> None:
    """What the process does."""
    with socket.socket(fileno=descriptor) as node:
        settings = json.loads(node.recv(LONGEST_MESSAGE) or b"{}")
        if not settings:
            return
        try:
            carrier = Carrier(node, settings)
        except (OSError, ssl.SSLError) as error:
            node.send(
                json.dumps({"error": f"{getattr(error, 'filename', None) or 'its files'}: {error.strerror or error}"}).encode()
            )
            return
        give_up_privileges()
        node.setblocking(False)  # noqa: FBT003 - its name for it
        asyncio.run(carrier.run())


if __name__ == "__main__":
    main(int(sys.argv[1]))
