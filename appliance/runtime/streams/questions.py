"""What applications ask of the control socket: their arguments judged."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from appliance.errors import LocalFault
from appliance.members.offer import Health, Offer
from appliance.runtime.finding import NoSuchName, lookup
from appliance.runtime.plugins.routes import BadArguments
from appliance.runtime.streams.opening import Target
from appliance.runtime.streams.streams import Streams
from appliance.wire.stream_preface import SERVICE, Wanted, encode_wanted

if TYPE_CHECKING:
    from appliance.api.management import Principal
    from appliance.api.profile import Profile
    from appliance.control.handing import Handed
    from appliance.runtime.node_runtime import NodeRuntime
    from appliance.runtime.streams.offers import Offers

SECONDS: Final = 5.0
MOST_SECONDS: Final = 300.0
_HEALTH_HINT: Final = 'for example {"service": "echo", "health": "passing", "load": 20, "metadata": {"version": "2"}}'
_ARGUMENTS: Final = frozenset({"to", "service", "port", "datagram", "metadata", "traceparent", "deadline_s"})


async def connect(streams: Streams, node: NodeRuntime, profile: Profile, args: Mapping[str, Any]) -> Handed:
    """Open a stream: `to` a name or an identity; `service`, or `port` for a plain connection (`datagram`: by UDP). Raises
    BadArguments, NoSuchName, StreamError."""
    if unknown := args.keys() - _ARGUMENTS:
        raise BadArguments(f"connect: there is no argument {min(unknown)}", hint=f"there are: {', '.join(sorted(_ARGUMENTS))}")
    seconds = args.get("deadline_s", SECONDS)
    if not (isinstance(seconds, int | float) and 0 < seconds <= MOST_SECONDS):
        raise BadArguments(f"connect: deadline_s is a number of seconds, up to {MOST_SECONDS:g}")
    opening, datagrams = streams.opening, args.get("datagram") is True
    match args:
        case {"service": str(service), **others} if "port" not in others:
            wanted = _wanted(Wanted(service, args.get("metadata") or {}, args.get("traceparent") or ""))
            target = _target(node, profile, args.get("to"))
            return await (opening.datagrams if datagrams else opening.stream)(target, wanted, seconds)
        case {"port": int(port), **others} if not others.keys() & {"service", "metadata", "traceparent"} and 0 < port < 65536:
            return await opening.port(_target(node, profile, args.get("to")), port, seconds, datagrams=datagrams)
        case _:
            raise BadArguments(
                "connect: there is either a service or a port", hint='for example {"to": "laptop", "service": "echo"}'
            )


def serve(streams: Streams, principal: Principal, args: Mapping[str, Any]) -> AsyncGenerator[Any, None]:
    """Serve `service`. Raises BadArguments."""
    match args:
        case {"service": str(service), **others} if not others.keys() - {"datagram"} and SERVICE.fullmatch(service):
            uid = -1 if principal.uid is None else principal.uid
            return streams.serve(service, uid, datagrams=others.get("datagram") is True)
        case _:
            raise BadArguments(
                "serve: there is service, 1 to 63 small letters, digits, dots, dashes and underscores, and perhaps datagram",
                hint='for example {"service": "echo"}',
            )


def service_health(offers: Offers, principal: Principal, args: Mapping[str, Any]) -> dict[str, Any]:
    """Tell the network of a `service` that this user serves: `health` (passing, failing), `load` (per cent), `metadata` (texts by
    name). Raises BadArguments, NotServedHere, OfferRefused."""
    match args:
        case {"service": str(service), **others} if not others.keys() - {"health", "load", "metadata"}:
            health, load, metadata = others.get("health", Health.PASSING), others.get("load", 0), others.get("metadata") or {}
        case _:
            raise BadArguments("service_health: there are service, health, load and metadata", hint=_HEALTH_HINT)
    if health not in tuple(Health) or type(load) is not int or not isinstance(metadata, dict):
        raise BadArguments("service_health: an argument is none that makes sense", hint=_HEALTH_HINT)
    offers.offer(Offer(service, Health(health), load, metadata), -1 if principal.uid is None else principal.uid)
    return {"offered": service}


def services(offers: Offers, args: Mapping[str, Any]) -> Awaitable[Any] | AsyncGenerator[Any, None]:
    """Who offers `service`, or anything; with `watch` again whenever that changes. Raises BadArguments."""
    service, watch = args.get("service"), args.get("watch", False)
    if args.keys() - {"service", "watch"} or not isinstance(service, str | None) or not isinstance(watch, bool):
        raise BadArguments(
            "services: there are service, a name, and watch, true or false", hint='for example {"service": "echo"}'
        )
    return offers.follow(service) if watch else _answered(offers.found(service))


async def _answered(answer: Any) -> Any:
    return answer


def _wanted(wanted: Wanted) -> Wanted:
    try:
        encode_wanted(wanted)
    except LocalFault as error:
        raise BadArguments(f"connect: {error}") from error
    return wanted


def _target(node: NodeRuntime, profile: Profile, to: object) -> Target:
    """Who is called so: by name or identity, or by an address that is a peer's."""
    if not isinstance(to, str):
        raise BadArguments("connect: to is a peer's name, identity or address", hint='for example {"to": "laptop", "port": 22}')
    with suppress(ValueError):
        address = ipaddress.ip_address(to)
        found = node.peers.table.at(address)
        if found is None and address not in [own.ip for own in profile.network.addresses]:
            raise NoSuchName(f"{address} is no peer's address", hint="see: appliance peers")
        return Target(node.called if found is None else found[0].name, [address])
    entry = node.peers.table.of_identity(to)
    named = lookup(node, profile, {"name": entry.name if entry is not None else to})
    return Target(named["name"], [ipaddress.ip_address(text) for text in named["addresses"]])
