"""This node's own certificate, as it lies in the folder of its network. It completes a profile that has the section `mesh`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from appliance.api.values import Problem
from appliance.errors import ApplianceError
from appliance.foundation import clock
from appliance.members.certificate import read_certificate
from appliance.members.statement import Kind, StatementRefused, read_head
from appliance.members.trust import Trust
from appliance.planning.membership import as_written, outside_the_overlay, with_membership
from appliance.profile.checks import check
from appliance.runtime.members.network_folder import NetworkFolder

if TYPE_CHECKING:
    from appliance.api.profile import Profile
    from appliance.api.profile_mesh import Mesh
    from appliance.members.certificate import Certificate


class Completed(NamedTuple):
    """A profile as it is on this host. With problems it is not to be used."""

    profile: Profile
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    """Sentences: it can be used, but not all of it works."""


class Own(NamedTuple):
    """What this host has of its own membership."""

    certificate: Certificate | None
    """The one that counts, or the last that did."""
    why: str = ""
    """Why none counts."""
    hint: str = ""


def completed(profile: Profile, fingerprint: Callable[[], str], now: int) -> Completed:
    """`profile` with what the certificate of this node brings. `fingerprint()` gives the node's identity, and may raise
    ApplianceError; `now` is Unix seconds. A node whose certificate has ended goes on with what that brought, and without
    members: it may be the clock that is wrong. One without any that counts goes on with the addresses that its profile has, if it
    has any: its peers there should not suffer."""
    mesh = profile.mesh
    if mesh is None:
        return Completed(profile)
    try:
        own = own_certificate(mesh, fingerprint(), now)
    except ApplianceError as error:
        return Completed(profile, (Problem("mesh", error.message, error.hint),))
    if own.certificate is None:
        written = as_written(profile)
        if written.network.addresses:
            return Completed(written, (), (f"mesh: {own.why}; {own.hint}", *_without_effect(mesh)))
        return Completed(profile, (Problem("mesh", own.why, own.hint),))
    made = with_membership(profile, own.certificate.addresses)
    problems = (*outside_the_overlay(profile, own.certificate.addresses), *check(made))
    ended = (f"mesh: {own.why}; {own.hint}",) if own.why else ()
    return Completed(made, problems, (*ended, *_without_effect(mesh)))


def _without_effect(mesh: Mesh) -> Iterator[str]:
    """One layer of a profile may switch off what another one fills: that is no mistake, but worth a sentence."""
    off = "since mesh.rendezvous.use is off"
    if mesh.rendezvous.tags and not mesh.rendezvous.use:
        yield f"mesh.rendezvous.tags: this node is registered under none of them, {off}"
    if mesh.rendezvous.call and not mesh.rendezvous.use:
        yield f"mesh.rendezvous.call: nobody is called for them, {off}"


def own_certificate(mesh: Mesh, identity: str, now: int) -> Own:
    """The certificate of `identity`, if it is of this network and counts. Others are not verified, so a large network costs no
    more. Raises NetworkMissing, MissingPrivilege."""
    folder = NetworkFolder.of(mesh.label)
    trust, now = Trust(folder.network()), folder.lifetimes(identity).time(now)
    if trust.network.fingerprint != mesh.network:
        raise ApplianceError(
            f"{folder.path} is of another network, {trust.network.fingerprint}",
            hint="mesh.network and mesh.label belong together; `appliance network show` tells which networks are here",
        )
    for statement in folder.statements():
        with suppress(StatementRefused):
            if _matters(statement, identity):
                trust.take(statement, now)
    found = trust.members(now).get(identity)
    if found is not None:
        return Own(found)
    return _none(mesh.label, trust.revoked(identity), folder.ended(identity, now), now)


def _none(label: str, revoked: bool, ended: Certificate | None, now: int) -> Own:
    again = "ask the owner, or for another invitation: `appliance join CODE`"
    if revoked:
        return Own(None, f"this node was removed from network {label}", again)
    if ended is not None:
        on, today = (clock.utc_text(each)[:10] for each in (ended.not_after, now))
        why = f"this node's certificate of network {label} ended on {on}, and this host's clock says {today}"
        return Own(ended, why, f"if that is so, {again}")
    return Own(
        None,
        f"this node has no certificate of network {label} that is valid",
        "`appliance join CODE` gets one, or the owner signs this node's request: `appliance network request` and `sign`; "
        "`appliance network show` tells what is known here",
    )


def _matters(statement: bytes, identity: str) -> bool:
    if read_head(statement).kind is not Kind.CERTIFICATE:
        return True
    certificate = read_certificate(statement)
    return certificate.identity == identity or certificate.scope is not None
