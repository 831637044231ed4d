"""Multicast DNS by the library zeroconf: what is announced, and what others announce."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

from zeroconf import Error, IPVersion, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from appliance_discovery_mdns.announcement import SERVICE, Announcement, properties
from appliance_discovery_mdns.interfaces import Interface

ANSWER_MILLISECONDS: Final = 3000
"""How long one is waited for who has been heard, and is asked for the rest."""
MOST_ADDRESSES: Final = 8
"""Of one announcement."""
QUIET: Final = logging.CRITICAL
"""What strangers send is counted here, and is nothing to log."""


class Trouble(Exception):
    """It did not work this time: no socket, or somebody claims the name of our announcement."""


class Heard(NamedTuple):
    """An announcement as it came."""

    text: dict[bytes, bytes | None]
    addresses: tuple[str, ...]
    """Link-local ones with the name of their interface."""


class Multicast:
    """`heard(instance, gone)` is told of who announces itself, and who does no more. Raises Trouble."""

    def __init__(self, present: Sequence[Interface], heard: Callable[[str, bool], None]) -> None:
        logging.getLogger("zeroconf").setLevel(QUIET)
        self._heard = heard
        with _trouble():
            self._zeroconf = AsyncZeroconf(interfaces=_choices(present), ip_version=_version(present))
        self._said: AsyncServiceInfo | None = None
        self._browser = AsyncServiceBrowser(self._zeroconf.zeroconf, SERVICE, handlers=[self._changed])

    async def use(self, present: Sequence[Interface]) -> None:
        """These are the interfaces from now on. Raises Trouble."""
        with _trouble():
            await self._zeroconf.zeroconf.async_update_interfaces(_choices(present), _version(present))

    async def announce(self, announcement: Announcement | None, present: Sequence[Interface]) -> None:
        """Say this instead of what was said before; None: say nothing. Raises Trouble."""
        if self._said is not None:
            said, self._said = self._said, None
            with _trouble():
                await (await self._zeroconf.async_unregister_service(said))
        if announcement is not None:
            name = announcement.nonce.hex()
            addresses = [address.packed for interface in present for address in interface.addresses]
            info = AsyncServiceInfo(
                SERVICE,
                f"{name}.{SERVICE}",
                announcement.ports[0][1],
                properties=properties(announcement),
                server=f"{name}.local.",
                addresses=addresses[:MOST_ADDRESSES],
            )
            with _trouble():
                await (await self._zeroconf.async_register_service(info))
            self._said = info

    async def ask(self, instance: str) -> Heard | None:
        """All of an announcement; None if it does not come."""
        info = AsyncServiceInfo(SERVICE, instance)
        if not await info.async_request(self._zeroconf.zeroconf, ANSWER_MILLISECONDS):
            return None
        return Heard(dict(info.properties), tuple(map(_named, info.parsed_scoped_addresses()[:MOST_ADDRESSES])))

    async def close(self) -> None:
        """Take back what was announced, and end."""
        with suppress(OSError):
            await self._browser.async_cancel()
        await self._zeroconf.async_close()

    def _changed(self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        del zeroconf, service_type
        self._heard(name, state_change is ServiceStateChange.Removed)


@contextmanager
def _trouble() -> Iterator[None]:
    try:
        yield
    except (OSError, Error) as error:
        raise Trouble(str(error) or type(error).__name__) from error


def _choices(present: Sequence[Interface]) -> list[str | int]:
    return [choice for interface in present for choice in interface.choices()]


def _version(present: Sequence[Interface]) -> IPVersion:
    versions = {address.version for interface in present for address in interface.addresses}
    return IPVersion.All if len(versions) > 1 else IPVersion.V6Only if 6 in versions else IPVersion.V4Only


def _named(address: str) -> str:
    bare, percent, zone = address.partition("%")
    if not percent or not zone.isdecimal():
        return address
    try:
        return f"{bare}%{socket.if_indextoname(int(zone))}"
    except OSError:
        return bare
