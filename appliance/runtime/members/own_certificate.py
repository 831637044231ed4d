"""This node's own certificate, as it lies in the folder of its network. It completes a profile that has the section `mesh`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from appliance.api.values import Problem
from appliance.errors import ApplianceError
from appliance.members.certificate import read_certificate
from appliance.members.statement import Kind, StatementRefused, read_head
from appliance.members.trust import Trust
from appliance.planning.membership import outside_the_overlay, with_membership
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


def completed(profile: Profile, fingerprint: Callable[[], str], now: int) -> Completed:
    """`profile` with what the certificate of this node brings. `fingerprint()` gives the node's identity, and may raise
    ApplianceError; `now` is Unix seconds."""
    mesh = profile.mesh
    if mesh is None:
        return Completed(profile)
    try:
        found = own_certificate(mesh, fingerprint(), now)
    except ApplianceError as error:
        return Completed(profile, (Problem("mesh", error.message, error.hint),))
    if found is None:
        message = f"this node has no certificate of network {mesh.label} that is valid"
        hint = (
            f"`appliance join CODE` gets one, or the owner signs this node's identity: `appliance network sign`; "
            f"`appliance network show` tells what is known here of {mesh.label}"
        )
        return Completed(profile, (Problem("mesh", message, hint),))
    made = with_membership(profile, found.addresses)
    return Completed(made, (*outside_the_overlay(profile, found.addresses), *check(made)))


def own_certificate(mesh: Mesh, identity: str, now: int) -> Certificate | None:
    """The certificate of `identity`, if it is of this network and valid. Those of others are not verified: it costs the same in a
    large network. Raises NetworkMissing, MissingPrivilege."""
    folder = NetworkFolder.of(mesh.label)
    trust = Trust(folder.network())
    if trust.network.fingerprint != mesh.network:
        raise ApplianceError(
            f"{folder.path} is of another network, {trust.network.fingerprint}",
            hint="mesh.network and mesh.label belong together; `appliance network show` tells which networks are here",
        )
    for statement in folder.statements():
        try:
            if _matters(statement, identity):
                trust.take(statement, now)
        except StatementRefused:
            continue
    return trust.members(now).get(identity)


def _matters(statement: bytes, identity: str) -> bool:
    if read_head(statement).kind is not Kind.CERTIFICATE:
        return True
    certificate = read_certificate(statement)
    return certificate.identity == identity or certificate.scope is not None
