"""`appliance run`: becomes a node in this process, and leaves the host as it was when it ends.

    plugins ─ profile ─┬─ identity ─ control socket ─ an orphaned worker ─ hosted_node.HostedNode
                       └─ a child that will change the host loads what that takes

What is here can say no without a trace. The child is forked when there is all that both need, and before anything else is loaded.
"""

from __future__ import annotations

import faulthandler
import gc
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from appliance.errors import ApplianceError, MissingPrivilege
from appliance.foundation.logging import configure, get_logger
from appliance.linux.deferring import deferring
from appliance.runtime.host.trial_keeper import WAY_ON, TrialKeeper, Withheld, said
from appliance.runtime.inside import HERE, NOWHERE
from appliance.runtime.rootless.fitting import fitted
from appliance.runtime.start import Start

if TYPE_CHECKING:
    from appliance.api.profile import Profile
    from appliance.plugin_host import PluginHost
    from appliance.profile.loading import Readings
    from appliance.runtime.host import changes
    from appliance.runtime.inside import Inside

log = get_logger("daemon")

SELDOM_NEEDED = ("asyncio.sslproto", "hmac", "secrets", "ssl")
"""What asyncio, cryptography and pydantic import in case of need: without it there is one OpenSSL less in the process, 5 MB."""


class Kind(NamedTuple):
    """How a node is run, besides what its profile says."""

    rootless: bool = False
    """Leave the host alone: what the profile says is done in a network namespace that only this node has."""
    attended: bool = False
    """End when standard input ends."""
    userspace: bool = False
    """Leave the host alone, and do without the kernel's network: this process has a TCP/IP of its own."""


ORDINARY = Kind()


def run(paths: Sequence[Path], *, confirm_within: float | None = None, admin: str | None = None, kind: Kind = ORDINARY) -> int:
    """Apply the profile at `paths` (the system's when empty) and be a node until SIGTERM or SIGINT; then undo everything.

    With `confirm_within` seconds, end and undo unless `appliance confirm` comes in time; without it, a profile that would cut off
    `admin` (the value of SSH_CONNECTION) is refused. Blocks. Returns the exit code; raises ApplianceError when the node does not
    start, and has then left nothing behind.
    """
    faulthandler.enable()  # where a node hung that the service manager's watchdog ends (SIGABRT) is in the log
    gc.disable()  # what a start makes is there to stay, and looking for garbage in it is a tenth of the work
    try:
        with deferring(*SELDOM_NEEDED):
            return _run(tuple(paths), confirm_within, admin, kind)
    finally:
        gc.enable()


def _run(paths: tuple[Path, ...], confirm_within: float | None, admin: str | None, kind: Kind) -> int:
    from appliance.foundation import places
    from appliance.runtime import loading
    from appliance.runtime.host import changes

    readings: Readings = {}
    plugins = loading.load_plugins(paths, readings=readings)
    loaded = loading.load_profile(paths, plugins, readings=readings)
    profile, files, warnings = loaded.profile, loaded.files, loaded.warnings
    del loaded  # with the places of its keys
    readings.clear()  # places of keys of ten thousand peers are 40 MB
    _configure_logs(profile)
    keeper = TrialKeeper.of(paths, "daemon")
    given_up = keeper.give_up(places.state_dir())
    instead = None if confirm_within is not None else _instead(keeper, profile)
    if instead is not None:
        plugins, profile = instead
        files = (keeper.path,)
        _configure_logs(profile)
    for warning in warnings:
        log.warning(warning)
    for fact in plugins.broken:
        log.warning("a plugin is not well", plugin=fact.name, reason=fact.problem, hint=fact.hint)
    inside = _inside(kind)
    profile = fitted(profile, inside)
    child = changes.Child(profile, plugins.plan, inside) if inside.kernel else None
    start = Start(paths, files, profile, plugins, keeper, instead is not None, given_up, kind.attended)
    try:
        return _become(start, child, inside, confirm_within, admin)
    finally:
        if child is not None:
            child.dismiss()


def _inside(kind: Kind) -> Inside:
    if kind.userspace:
        return NOWHERE
    if not kind.rootless:
        return HERE
    from appliance.runtime.rootless.namespace import InnerNamespace

    return InnerNamespace()


def _instead(keeper: TrialKeeper, profile: Profile) -> tuple[PluginHost, Profile] | None:
    """What comes into force in the place of a refused profile, None when it is not refused. Raises Withheld when there was
    nothing before it."""
    from appliance.runtime import loading
    from appliance.runtime.host import kept_profile

    refusal = keeper.refusal(profile)
    if refusal is None:
        keeper.in_force(profile)
        return None
    if keeper.good is None:
        raise Withheld(said(refusal), hint=WAY_ON)
    readings = kept_profile.readings_of(keeper.good, keeper.path)
    plugins = loading.load_plugins([keeper.path], {}, readings)
    before = loading.load_profile([keeper.path], plugins, {}, readings).profile
    keeper.judge(before)
    log.warning("the profile is refused: the one before it runs", reason=said(refusal), hint=WAY_ON)
    return plugins, before


def _become(start: Start, child: changes.Child | None, inside: Inside, confirm_within: float | None, admin: str | None) -> int:
    from appliance.control import address
    from appliance.foundation import places, turning
    from appliance.foundation.turns import Turns
    from appliance.linux import machine, privileges
    from appliance.runtime import identities
    from appliance.runtime.host import leftovers
    from appliance.runtime.hosted_node import HostedNode
    from appliance.runtime.workers import orphans

    privileges.hide_memory()  # before there is a secret in it
    if inside.kernel:
        _require_privilege()
    identity = identities.load_identity(
        start.profile.server.identity, lambda reference: start.plugins.load_identity(reference, start.profile)
    )
    state_dir = places.ensure_state_dir()
    listener = (address.listen_at_path if inside.apart else address.listen)(state_dir)
    try:
        if listener.problem:
            log.warning("the control socket is not where it should be", reason=listener.problem)
        for orphan in orphans.kill_left_behind(state_dir):
            log.warning("ended the worker of a daemon that was killed", pid=orphan)
        if inside.apart and inside.kernel:
            from appliance.apply import journal

            journal.forget_ended(state_dir, netns=machine.netns_cookie())
        nodes: list[HostedNode] = []
        turns = Turns()

        async def live() -> int:
            # Made within the loop, as a router is opened by that, which may spawn tasks and ask to be asked again.
            nodes.append(HostedNode(start, identity, state_dir, listener, turns, inside))
            return await nodes[0].run(child, confirm_within, admin)

        return turning.run(live(), lambda error: any(node.survive(error) for node in nodes), turns)
    finally:
        listener.close()
        if not inside.kernel:
            leftovers.unlock(state_dir)
        leftovers.remove_if_empty(state_dir)


def _configure_logs(profile: Profile) -> None:
    try:
        configure(profile.logging.level, profile.logging.format, node=profile.name)
    except ValueError as error:
        raise ApplianceError(f"APPLIANCE_LOG: {error}") from error


def _require_privilege() -> None:
    from appliance.linux.machine import may_change_network

    if not may_change_network():
        raise MissingPrivilege(
            "running a node needs CAP_NET_ADMIN",
            hint="run it as root; or as an ordinary user with a network for this node alone: appliance run --rootless; or "
            "without any: appliance run --userspace",
        )
