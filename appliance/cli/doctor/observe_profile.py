"""Looks at a profile and what it points at: key file, ports, the ways to peers, and what `apply` would do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from appliance.api.values import Endpoint
from appliance.cli.doctor.facts import ListenFacts, PathFacts, ProfileFacts
from appliance.cli.terminal import Terminal
from appliance.control import client
from appliance.errors import ApplianceError

if TYPE_CHECKING:
    from appliance.api.planning import Advice
    from appliance.api.profile import Profile
    from appliance.cli.opening import OpenProfile

MOST_PATHS = 32
"""Endpoints that are looked at. A hub has thousands, and they share their ways."""


def observe_profile(path: str | None, terminal: Terminal, *, listening: set[str], may_plan: bool) -> ProfileFacts | None:
    """The facts; None if no path was given and the system has no profile. `listening` are the endpoints that the running node has
    bound. `may_plan`: a plan would see the whole host."""
    from appliance.cli.opening import open_profile
    from appliance.profile import ProfileInvalid
    from appliance.profile.loading import NO_PROFILE

    try:
        opened = open_profile(path)
    except ApplianceError as error:
        if path is None and isinstance(error, ProfileInvalid) and [one.message for one in error.problems] == [NO_PROFILE]:
            return None
        return ProfileFacts(path=path or "", problem=error.message, hint=error.hint)
    profile = opened.profile
    identity_path, identity_problem, identity_mode, own_identity = _identity(profile)
    terminal.note(f"looking at {len(profile.server.listen)} places to listen and the ways to {len(profile.peers)} peers …")
    pending, plan_problem, advice = _pending(opened) if may_plan else (None, "", ())
    return ProfileFacts(
        path=", ".join(opened.files),
        profile=profile,
        identity_path=identity_path,
        identity_problem=identity_problem,
        identity_mode=identity_mode,
        own_identity=own_identity,
        listens=_listens(profile, listening),
        paths=_paths(profile),
        pending=pending,
        plan_problem=plan_problem,
        advice=advice,
    )


def _identity(profile: Profile) -> tuple[str, str, int, str]:
    """(file, problem, mode, identity). A reference that a plugin resolves is not looked at."""
    from appliance.cli.opening import identity_path

    path = identity_path(profile.server.identity)
    if path is None:
        return profile.server.identity, "", 0o600, ""
    name = str(path)
    try:
        pem = path.read_bytes()
        mode = path.stat().st_mode & 0o777
    except FileNotFoundError:
        return name, "missing", 0o600, ""
    except OSError as error:
        return name, (error.strerror or str(error)).lower(), 0o600, ""
    from appliance.protocol.identity import Identity, IdentityInvalid

    try:
        return name, "", mode, Identity.from_pem(pem).fingerprint
    except IdentityInvalid as error:
        return name, error.message, mode, ""


def _listens(profile: Profile, listening: set[str]) -> tuple[ListenFacts, ...]:
    from appliance.api.values import HOST_AND_PORT
    from appliance.cli.doctor.observe_paths import try_listening

    return tuple(try_listening(one) for one in profile.server.listen if one.scheme in HOST_AND_PORT and str(one) not in listening)


def _paths(profile: Profile) -> tuple[PathFacts, ...]:
    from appliance.cli.doctor.observe_paths import look_up

    wanted: list[tuple[str, Sequence[Endpoint]]] = []
    left = MOST_PATHS
    for peer in profile.peers:
        endpoints = peer.endpoints[:left]
        left -= len(endpoints)
        wanted.append((peer.name, endpoints))
    return look_up(wanted, profile.network)


def _pending(opened: OpenProfile) -> tuple[int | None, str, tuple[Advice, ...]]:
    import asyncio

    from appliance.apply.engine import plan_profile
    from appliance.cli.resolving import addresses_of_names
    from appliance.foundation import places

    try:
        names = addresses_of_names(opened.profile)
        made = asyncio.run(
            plan_profile(
                opened.profile, places.state_dir(), plugins=opened.plugins.plan, names=names, answered=client.daemon_runs()
            )
        )
    except ApplianceError as error:
        return None, error.message, ()
    return len(made.steps), "", made.advice
