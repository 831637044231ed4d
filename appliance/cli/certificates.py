"""`appliance network request`, `sign`, `issuer`, `renew` and `revoke`: statements are made on whichever machine has the key."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from appliance.api.units import parse_seconds
from appliance.cli.handing_over import hand_over
from appliance.cli.lists import role, several
from appliance.cli.network import (
    certificate_document,
    hand_out,
    name_of,
    node_identity,
    read_text,
    signer_for,
    the_folder,
)
from appliance.cli.parser import UsageError
from appliance.cli.terminal import Terminal, seconds_text
from appliance.errors import ApplianceError, ExitCode
from appliance.foundation import clock
from appliance.members.addressing import free_addresses
from appliance.members.carried import bundle_of, read_request, request_of
from appliance.members.certificate import Certificate
from appliance.members.issuing import LIFETIME, owners_ranges
from appliance.members.scope import Grants, Scope
from appliance.members.signer import Signer
from appliance.members.trust import Trust

if TYPE_CHECKING:
    from appliance.api.values import Network
    from appliance.members.fields import Address
    from appliance.protocol.identity import PublicIdentity
    from appliance.runtime.members.network_folder import NetworkFolder


class NoMember(ApplianceError):
    """Nobody of that name, or more than one."""

    exit_code = ExitCode.INVALID


def request(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Write what a node hands to whoever signs."""
    identity, _ = node_identity(arguments.identity)
    hand_out(terminal, {"identity": identity.fingerprint}, request_of(identity), arguments.output)
    return ExitCode.OK


def sign(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Sign a certificate for the node that made a request."""
    return _sign(arguments, terminal, None)


def issuer(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """The same, and the node may sign for the owner within a scope."""
    scope = Scope(
        lifetime=_seconds("--may-last", arguments.may_last),
        addresses=several("--may-addresses", arguments.may_addresses, ip_network),
        prefixes=several("--may-prefixes", arguments.may_prefixes, ip_network),
        tags=() if arguments.may_tags == "any" else several("--may-tags", arguments.may_tags, str),
        any_tag=arguments.may_tags == "any",
        roles=frozenset(several("--may-roles", arguments.may_roles, role)),
        exit=arguments.may_exit,
    )
    return _sign(arguments, terminal, scope)


def renew(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Sign the certificate of a member again, for another time."""
    folder, now = the_folder(arguments.label), int(clock.wall())
    with folder.changing(now) as trust:
        known = _to_renew(folder, trust, arguments.name, now)
        signer = signer_for(trust, folder, arguments.key, terminal)
        lifetime = _lifetime(arguments.lifetime, signer, now)
        made = signer.renew(known, now=now, lifetime=lifetime)
        carried = bundle_of(trust.network, _with_issuer(trust, made))
    hand_over(terminal, trust.network.fingerprint, _with_issuer(trust, made))
    _handed(terminal, made, carried, arguments.output, now)
    return ExitCode.OK


def revoke(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Remove a member: its certificates count no more, wherever the revocation arrives."""
    folder, now = the_folder(arguments.label), int(clock.wall())
    with folder.changing(now) as trust:
        gone = found(trust, arguments.name, now)
        if arguments.name == gone.name and _is_this_node(gone):
            raise ApplianceError(
                f"{gone.name} is this node itself", hint=f"appliance leave, or, if it is meant: network revoke {gone.identity}"
            )
        signer = signer_for(trust, folder, arguments.key, terminal)
        made = signer.revoke([gone], now=now, keep=not arguments.all_it_signed)
        carried = bundle_of(trust.network, [each.encoded for each in made])
        left = len(trust.members(now))
    running = hand_over(terminal, trust.network.fingerprint, (each.encoded for each in made))
    document = {"revoked": gone.identity, "name": gone.name, "epoch": gone.epoch, "members": left}
    if arguments.output is not None:
        hand_out(terminal, document, carried, arguments.output)
    else:
        terminal.result(document, f"{gone.name} is removed; {left} members are left")
    if not running:
        terminal.note(
            "the others hear of it from a node that has it: start one here, or elsewhere: appliance network import FILE"
        )
    return ExitCode.OK


def found(trust: Trust, wanted: str, now: int) -> Certificate:
    """The certificate of the member with that name or identity; else one that is set aside. Raises NoMember."""
    members = list(trust.members(now).values())
    others = [each.certificate for each in trust.set_aside(now)]
    for group in (members, others):
        fitting = {each.identity: each for each in group if wanted in (each.name, each.identity)}
        if len(fitting) > 1:
            raise NoMember(f"{wanted!r} means several nodes", hint=f"say which: {', '.join(sorted(fitting))}")
        if fitting:
            return next(iter(fitting.values()))
    raise NoMember(f"there is no member {wanted!r}", hint="`appliance network members` lists them")


def _is_this_node(certificate: Certificate) -> bool:
    """As far as can be told without a profile."""
    with suppress(ApplianceError):
        return node_identity(None)[0].fingerprint == certificate.identity
    return False


def _to_renew(folder: NetworkFolder, trust: Trust, wanted: str, now: int) -> Certificate:
    """The certificate of that member; the last one of a node whose certificate has ended. Raises NoMember."""
    try:
        return found(trust, wanted, now)
    except NoMember:
        ended = folder.ended(wanted, now)
        if ended is None or trust.revoked(ended.identity):
            raise
        return ended


def _sign(arguments: argparse.Namespace, terminal: Terminal, scope: Scope | None) -> int:
    identity = read_request(read_text(arguments.request))
    folder, now = the_folder(arguments.label), int(clock.wall())
    name = name_of(arguments.name, "a name") if arguments.name else None
    with folder.changing(now) as trust:
        known = trust.members(now).get(identity.fingerprint)
        name = name or (known.name if known is not None else None)
        if name is None:
            raise UsageError("the node is no member yet", hint="say what to call it: --name NAME")
        signer = signer_for(trust, folder, arguments.key, terminal)
        if scope is None and known is not None and signer.is_owner:
            scope = known.scope  # an issuer that is signed anew goes on to be one: what it signed counts by that
        made = signer.certify(
            identity,
            name,
            _grants(arguments, trust, signer, identity, now),
            now=now,
            lifetime=_lifetime(arguments.lifetime, signer, now),
            scope=scope,
        )
        carried = bundle_of(trust.network, _with_issuer(trust, made))
    hand_over(terminal, trust.network.fingerprint, _with_issuer(trust, made))
    _handed(terminal, made, carried, arguments.output, now)
    return ExitCode.OK


def _handed(terminal: Terminal, made: Certificate, carried: str, output: str | None, now: int) -> None:
    terminal.note(
        f"{made.name}: {', '.join(map(str, made.addresses)) or 'no address'}, for {seconds_text(made.not_after - now)}. "
        "On that node: appliance network import FILE"
    )
    hand_out(terminal, {"certificate": certificate_document(made)}, carried, output)


def _with_issuer(trust: Trust, made: Certificate) -> Iterable[bytes]:
    yield from (each.encoded for each in trust.certificates(made.issuer) if each.by_owner)
    yield made.encoded


def _grants(arguments: argparse.Namespace, trust: Trust, signer: Signer, identity: PublicIdentity, now: int) -> Grants:
    addresses = several("--address", arguments.address, ip_address) or _addresses(trust, signer, identity, now)
    prefixes = several("--prefix", arguments.prefix, ip_network)
    roles = frozenset(several("--role", arguments.role, role))
    return Grants(addresses, prefixes, arguments.exit, several("--tags", arguments.tags, str), roles, arguments.final)


def _addresses(trust: Trust, signer: Signer, identity: PublicIdentity, now: int) -> tuple[Address, ...]:
    """Those it has, else free ones of the signer's ranges."""
    known = trust.members(now).get(identity.fingerprint)
    if known is not None:
        return known.addresses
    used = {address for each in trust.members(now).values() for address in each.addresses}
    scope = signer.scope(now)
    ranges: Iterable[Network] = owners_ranges(trust, now) if scope is None else scope.addresses
    return free_addresses(ranges, identity.digest, used)


def _lifetime(text: str | None, signer: Signer, now: int) -> int:
    if text is not None:
        return _seconds("--lifetime", text)
    scope = signer.scope(now)
    return LIFETIME if scope is None else min(LIFETIME, scope.lifetime)


def _seconds(option: str, text: str) -> int:
    try:
        return int(parse_seconds(text))
    except ValueError as error:
        raise UsageError(f"{option}: {error}", hint=f"for example {option} 90d") from None
