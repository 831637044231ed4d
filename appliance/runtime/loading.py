"""A profile with the plugins that it names: loaded and judged before there is an event loop, and before the host is touched."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from appliance.errors import ApplianceError, PluginFault
from appliance.foundation import clock
from appliance.plugin_host import PluginHost, required
from appliance.plugin_host.calling import describe
from appliance.plugin_host.installed import enabled
from appliance.profile.loaded import LoadedProfile
from appliance.profile.loading import Readings, enabled_plugins, load
from appliance.runtime.identities import load_identity


def load_plugins(paths: Sequence[Path], environ: Mapping[str, str] = os.environ, readings: Readings | None = None) -> PluginHost:
    """The plugins that the profile and the host name. A broken plugin is a fact in the result. `readings`: see `load_profile`."""
    return PluginHost.load(enabled(enabled_plugins(paths, environ=environ, readings=readings)))


def changed_plugins(
    running: PluginHost, paths: Sequence[Path], readings: Readings, environ: Mapping[str, str] = os.environ
) -> PluginHost:
    """The plugins that the profile and the host name now, beside those that run: `running` itself when they are the same. Raises
    PluginFault for one that cannot be loaded, and did not fail before: a running node takes over nothing that is broken."""
    plugins = running.with_names(enabled(enabled_plugins(paths, environ=environ, readings=readings)))
    failed = {fact.name for fact in running.broken}
    for fact in plugins.broken:
        if fact.name not in failed:
            raise PluginFault(fact.name, f"{fact.stage}: {fact.problem}", hint=fact.hint)
    return plugins


def load_profile(
    paths: Sequence[Path],
    plugins: PluginHost,
    environ: Mapping[str, str] = os.environ,
    readings: Readings | None = None,
    *,
    exact: bool = False,
) -> LoadedProfile:
    """The profile, judged by the plugins too; files among `readings` are not read again. Raises ProfileInvalid with every problem
    there is."""
    kinds = None
    if plugins.complete:  # a kind that a failed plugin would bring is no mistake of the profile
        kinds = plugins.kinds
    try:
        loaded = load(paths, environ=environ, sections=plugins.sections, kinds=kinds, readings=readings, exact=exact)
    except BaseException as error:
        fault = _fault(plugins, error)
        if fault is None:
            raise
        raise fault from error
    problems = [*required(loaded.profile, plugins), *plugins.check_profile(loaded.profile, None)]
    if problems:
        raise loaded.invalid(problems)
    if loaded.profile.mesh is not None:
        loaded = _completed(loaded, plugins)
    _refuse_bad_policy(loaded)
    return loaded


def _completed(loaded: LoadedProfile, plugins: PluginHost) -> LoadedProfile:
    """With what this node's certificate brings."""
    from appliance.runtime.members.own_certificate import completed

    def fingerprint() -> str:
        reference = loaded.profile.server.identity
        return load_identity(reference, lambda scheme: plugins.load_identity(scheme, loaded.profile)).fingerprint

    made = completed(loaded.profile, fingerprint, int(clock.wall()))
    if made.problems:
        raise loaded.invalid(made.problems)
    return dataclasses.replace(loaded, profile=made.profile, warnings=made.warnings)


def _refuse_bad_policy(loaded: LoadedProfile) -> None:
    """Its tests need the addresses that a certificate brings."""
    if loaded.profile.policy is None:
        return
    from appliance.planning.access import too_many_rules
    from appliance.planning.membership import overlay
    from appliance.policy.checks import problems

    if found := (*problems(loaded.profile, overlay(loaded.profile)), *too_many_rules(loaded.profile)):
        raise loaded.invalid(found)


def _fault(plugins: PluginHost, error: BaseException) -> PluginFault | None:
    """A plugin's model may raise what it should not, sys.exit included; then it is named. None for everything else."""
    owner = None if isinstance(error, ApplianceError) else plugins.owners.of_error(error)
    if owner is None:
        return None
    return PluginFault(owner, f"its settings {describe(error)}", hint="disable the plugin or report this to its author")
