"""What applications ask of the control socket: their arguments judged."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import TYPE_CHECKING, Any, Final

from appliance.errors import LocalFault
from appliance.runtime.finding import NoSuchName, lookup
from appliance.runtime.plugins.routes import BadArguments
from appliance.runtime.streams.streams import Streams, Target
from appliance.wire.stream_preface import SERVICE, Wanted, encode_wanted

if TYPE_CHECKING:
    from appliance.api.management import Principal
    from appliance.api.profile import Profile
    from appliance.control.handing import Handed
    from appliance.runtime.node_runtime import NodeRuntime

SECONDS: Final = 5.0
MOST_SECONDS: Final = 300.0
_ARGUMENTS: Final = frozenset({"to", "service", "port", "datagram", "metadata", "traceparent", "deadline_s"})


async def connect(streams: Streams, node: NodeRuntime, profile: Profile, args: Mapping[str, Any]) -> Handed:
    """Open a stream: `to` a name or an identity; `service`, or `port` for a plain connection (`datagram`: by UDP). Raises
    BadArguments, NoSuchName, StreamError."""
    if unknown := args.keys() - _ARGUMENTS:
        raise BadArguments(f"connect: there is no argument {min(unknown)}", hint=f"there are: {', '.join(sorted(_ARGUMENTS))}")
    seconds = args.get("deadline_s", SECONDS)
    if not (isinstance(seconds, int | float) and 0 < seconds <= MOST_SECONDS):
        raise BadArguments(f"connect: deadline_s is a number of seconds, up to {MOST_SECONDS:g}")
    match args:
        case {"service": str(service), **others} if "port" not in others and not others.get("datagram"):
            wanted = _wanted(Wanted(service, args.get("metadata") or {}, args.get("traceparent") or ""))
            return await streams.open(_target(node, profile, args.get("to")), wanted, seconds)
        case {"port": int(port), **others} if not others.keys() & {"service", "metadata", "traceparent"} and 0 < port < 65536:
            datagrams = others.get("datagram") is True
            return await streams.dial(_target(node, profile, args.get("to")), port, seconds, datagrams=datagrams)
        case _:
            raise BadArguments(
                "connect: there is either a service or a port", hint='for example {"to": "laptop", "service": "echo"}'
            )


def serve(streams: Streams, principal: Principal, args: Mapping[str, Any]) -> AsyncGenerator[Any, None]:
    """Serve `service`. Raises BadArguments."""
    match args:
        case {"service": str(service), **others} if not others and SERVICE.fullmatch(service):
            return streams.serve(service, -1 if principal.uid is None else principal.uid)
        case _:
            raise BadArguments(
                "serve: there is one argument, service: 1 to 63 small letters, digits, dots, dashes and underscores",
                hint='for example {"service": "echo"}',
            )


def _wanted(wanted: Wanted) -> Wanted:
    try:
        encode_wanted(wanted)
    except LocalFault as error:
        raise BadArguments(f"connect: {error}") from error
    return wanted


def _target(node: NodeRuntime, profile: Profile, to: object) -> Target:
    """Who is called so."""
    if not isinstance(to, str):
        raise BadArguments("connect: to is a peer's name or identity", hint='for example {"to": "laptop", "service": "echo"}')
    entry = node.peers.table.of_identity(to)
    found = lookup(node, profile, {"name": entry.name if entry is not None else to})
    if not found["addresses"]:
        raise NoSuchName(f"no peer is called {to[:80]!r}")
    return Target(found["name"], [_address(text) for text in found["addresses"]])


def _address(text: str) -> Any:
    import ipaddress

    return ipaddress.ip_address(text)
