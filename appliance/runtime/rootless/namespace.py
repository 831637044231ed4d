"""The network namespace of a rootless node, and the thread that lives there.

    this process ─ user namespace of its own (all capabilities there, none on the host)
      ├─ its threads: the host's network; transports, control socket, names from outside
      └─ one thread, and children that are forked for it: the inner network; device, addresses, routes, sockets on the overlay

The inner network has no wire: what leaves it goes through the device to a worker, which has a descriptor of that and the
transports' sockets, so it needs to be in no particular network. It lasts as long as a thread is in it, a device is open, or an
application has a socket of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from appliance.linux import namespaces, privileges, tun
from appliance.linux.machine import CAP_NET_ADMIN, CAP_NET_BIND_SERVICE, CAP_NET_RAW, CAP_SYS_ADMIN
from appliance.runtime.rootless.obstacles import no_network, no_user_namespace

Result = TypeVar("Result")

KEPT: Final = (CAP_NET_ADMIN, CAP_NET_BIND_SERVICE, CAP_NET_RAW, CAP_SYS_ADMIN)
"""Of the inner network: to change it, to listen at low ports of it, to bind to its device, and to enter it."""
FOR_PROGRAMS: Final = (CAP_NET_ADMIN,)
"""What programs get that are started there, as nft."""


class InnerNamespace:
    """As `runtime.inside.Inside`: a network that only this node has."""

    apart = True
    kernel = True

    def __init__(self) -> None:
        """To be made by a process of one thread, before it forks and before it hides its memory. From now on the process is in a
        user namespace of its own. Raises RootlessRefused with what to do; the process is then good for nothing but to end."""
        _own_user_namespace()
        self._standing = ThreadPoolExecutor(1, "inside")
        try:
            self._network = self._standing.submit(_make).result()
        except BaseException:
            self._standing.shutdown()
            raise

    def call(self, deed: Callable[..., Result], *arguments: Any) -> Result:
        """As Inside.call."""
        return self._standing.submit(deed, *arguments).result()

    async def run(self, deed: Coroutine[Any, Any, Result]) -> Result:
        """As Inside.run: in a thread of its own, with an event loop of its own."""
        alone = ThreadPoolExecutor(1, "inside", self.enter)
        try:
            return await asyncio.get_running_loop().run_in_executor(alone, asyncio.run, deed)
        finally:
            alone.shutdown(wait=False)

    def enter(self) -> None:
        """As Inside.enter; for a thread as well."""
        namespaces.enter_network(self._network)
        privileges.keep_capabilities(KEPT, FOR_PROGRAMS)


def _own_user_namespace() -> None:
    tun.require()
    try:
        namespaces.become_user_namespace()
        privileges.keep_capabilities(KEPT)
    except namespaces.NoCapabilities as error:
        raise no_network(error) from error
    except OSError as error:
        raise no_user_namespace(error) from error


def _make() -> int:
    try:
        namespaces.unshare(namespaces.CLONE_NEWNET)
        privileges.keep_capabilities(KEPT, FOR_PROGRAMS)
        namespaces.raise_loopback()
        return namespaces.own_network()
    except OSError as error:
        raise no_network(error) from error
