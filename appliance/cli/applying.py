"""`appliance plan`, `apply`, `confirm`, `rollback`, `run`: commands that change this host, or the daemon that has it."""

from __future__ import annotations

import argparse
import os
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli.admin_session import ssh_connection
from appliance.cli.parser import UsageError
from appliance.cli.status_text import lasting
from appliance.cli.terminal import Terminal, seconds_text
from appliance.control import client
from appliance.errors import ApplianceError, ExitCode
from appliance.foundation import places

if TYPE_CHECKING:
    from appliance.apply.executor import Progress
    from appliance.plugin_host import PluginHost
    from appliance.runtime.daemon import Kind
    from appliance.runtime.host.trial_keeper import TrialKeeper

RELOAD_TIMEOUT = 120.0
"""Seconds. A daemon that reloads does the whole apply before it answers."""
THREAD_SECONDS = 2.0
"""How long threads may take to end once everything is undone."""
LONGEST_CONFIRMATION = 24 * 3600.0


def plan(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Show what apply would do. The exit code is CHANGES_PENDING if that is anything."""
    import asyncio

    from appliance.apply.engine import plan_profile
    from appliance.cli.opening import chosen, open_profile
    from appliance.cli.resolving import addresses_of_names
    from appliance.planning.render import render, to_json

    opened = open_profile(chosen(arguments.profile, terminal))
    made = asyncio.run(
        plan_profile(
            opened.profile,
            places.state_dir(),
            admin_address=ssh_connection(),
            plugins=opened.plugins.plan,
            names=addresses_of_names(opened.profile),
            answered=client.daemon_runs(),
        )
    )
    plugins = _of_the_running_node(opened.plugins)
    if terminal.json:
        terminal.document(to_json(made) | {"plugins": plugins})
    else:
        terminal.say(render(made, color=terminal.out_colour).rstrip("\n"))
        for sentence in plugins:
            terminal.say(f"in the running node: {sentence}")
    return ExitCode.CHANGES_PENDING if made.steps or plugins else ExitCode.OK


def _of_the_running_node(wanted: PluginHost) -> list[str]:
    """What becomes of its plugins; nothing without a node, or where this user may not ask."""
    from appliance.plugin_host.consequences import consequences

    try:
        return consequences(client.call("plugins"), wanted.facts) if client.daemon_runs() else []
    except ApplianceError:
        return []


def apply(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Bring the profile into force. Through the daemon, if one runs in this network namespace."""
    from appliance.cli.opening import open_profile

    within = confirmation_seconds(arguments.confirm_within)
    daemon = client.daemon_runs()
    if daemon and arguments.profile is None:  # as SIGHUP: the daemon reads its own profile again
        return _reload(None, within, terminal)
    opened = open_profile(arguments.profile)
    if daemon:
        return _reload([Path(file).absolute() for file in opened.files], within, terminal)
    from appliance.apply.engine import apply_profile
    from appliance.cli.signals import run_until_stopped

    keeper = _trial(arguments.profile)
    keeper.give_up(places.state_dir())
    if within is None:
        keeper.judge(opened.profile)
    with nullcontext() if within is None else keeper.opening(opened.profile, within):
        result = run_until_stopped(
            apply_profile(
                opened.profile,
                places.state_dir(),
                progress=progress_to(terminal),
                confirm_within=within,
                admin_address=ssh_connection(),
                plugins=opened.plugins.plan,
                answered=False,
            )
        )
    if within is not None and result.confirm_within is None:
        keeper.close()
    for step in result.recovered:
        terminal.note(f"left by an interrupted run, undone first: {step.summary}")
    for warning in result.plan.warnings:
        terminal.warning(warning)
    summaries = [step.summary for step in result.plan.steps]
    terminal.result(
        {"changed": result.changed, "by": "host", "steps": summaries, "confirm_within": result.confirm_within},
        _applied_text(len(summaries), result.confirm_within),
    )
    if result.changed:
        terminal.note("the host is ready; `appliance run` (or systemctl start appliance) makes it a node")
    return ExitCode.OK


def confirm(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Keep what was applied with --confirm-within."""
    if arguments.refused:
        return _accept(arguments.profile, terminal)
    if client.daemon_runs():
        client.call("confirm")
    else:
        import asyncio

        from appliance.apply import engine
        from appliance.runtime.host.trial_keeper import on_this_host

        asyncio.run(engine.confirm(places.state_dir()))
        for keeper in on_this_host():
            keeper.confirm()
    terminal.result({"confirmed": True}, "confirmed: the changes stay")
    return ExitCode.OK


def rollback(arguments: argparse.Namespace, terminal: Terminal) -> int:  # noqa: ARG001
    """Undo everything that was applied."""
    if client.daemon_runs():
        answer = client.call("rollback", timeout=RELOAD_TIMEOUT)
        text = "the daemon went back to the profile it had before"
        if answer.get("stopping"):
            text = "there was no profile before this one: the daemon ends and undoes everything"
        terminal.result({"by": "daemon", **answer}, text)
        return ExitCode.OK
    from appliance.apply import engine
    from appliance.cli.signals import run_until_stopped
    from appliance.planning.trials import Why
    from appliance.runtime.host import leftovers
    from appliance.runtime.host.trial_keeper import on_this_host

    undone = run_until_stopped(engine.rollback(places.state_dir(), progress=progress_to(terminal)))
    leftovers.clear(places.state_dir())
    for keeper in on_this_host():
        keeper.lapse(Why.ROLLED_BACK)
    summaries = [step.summary for step in undone.steps]
    text = f"undone: {_changes(len(summaries))}; this host is as before" if summaries else "nothing was applied, nothing to undo"
    terminal.result({"by": "host", "steps": summaries}, text)
    return ExitCode.OK


def run(arguments: argparse.Namespace, terminal: Terminal) -> int:
    """Hand this process to the daemon. Returns when the daemon has ended and the host is as before."""
    within = confirmation_seconds(arguments.confirm_within)
    terminal.flush()
    from appliance.runtime import daemon

    paths, admin = profile_paths(arguments.profile), ssh_connection()
    try:
        code = daemon.run(paths, confirm_within=within, admin=admin, kind=_kind(arguments))
    except ApplianceError as error:
        _end_in_time(error.exit_code)
        raise
    _end_in_time(code)
    return int(code)


def _kind(arguments: argparse.Namespace) -> Kind:
    from appliance.runtime.daemon import Kind

    if arguments.rootless and arguments.userspace:
        raise UsageError("--rootless and --userspace are two ways to do without root", hint="say one of them")
    return Kind(rootless=arguments.rootless, attended=arguments.attended, userspace=arguments.userspace)


def _end_in_time(code: int) -> None:
    """End this process, soon even if threads that a plugin left behind do not end."""
    if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
        timer = threading.Timer(THREAD_SECONDS, os._exit, (int(code),))
        timer.daemon = True
        timer.start()


def confirmation_seconds(text: str | None) -> float | None:
    """The value of --confirm-within in seconds. Raises UsageError."""
    if text is None:
        return None
    from appliance.api.units import parse_seconds

    try:
        seconds = parse_seconds(text)
    except ValueError as error:
        raise UsageError(f"--confirm-within: {error}", hint="for example --confirm-within 60s") from error
    if not 1 <= seconds <= LONGEST_CONFIRMATION:
        raise UsageError("--confirm-within: between one second and one day", hint="for example --confirm-within 60s")
    return seconds


def profile_paths(path: str | None) -> list[Path]:
    """What the loader takes, as absolute paths, because a daemon reads them again later: nothing for the system's profile."""
    return [one.absolute() for one in places.profile_paths(path)]


def progress_to(terminal: Terminal) -> Any:
    """A listener that shows each step on standard error once it is done."""

    def show(progress: Progress) -> None:
        if progress.stage == "verified":
            sign = "undone" if progress.undo else "done"
            terminal.note(f"[{progress.number}/{progress.total}] {sign}: {progress.step.summary}")

    return show


def _reload(files: list[Path] | None, within: float | None, terminal: Terminal) -> int:
    args: dict[str, Any] = {"confirm_within": within, "admin": ssh_connection()}
    # The texts, not the paths: a service in a sandbox sees no home directory and another /tmp.
    texts = [file.read_bytes() for file in files or ()]
    if files is not None:
        args["files"] = [[str(file), len(text)] for file, text in zip(files, texts, strict=True)]
    answer = client.call("reload", args, body=b"".join(texts), timeout=RELOAD_TIMEOUT)
    changed, count = bool(answer["changed"]), len(answer["steps"])
    text = (
        f"the daemon has taken over the profile: {_changes(count)} on the host"
        if changed
        else "nothing to do: nothing has changed"
    )
    if changed and within is not None:
        text += f"; undone in {seconds_text(within)} unless you run `appliance confirm`"
    terminal.result({**answer, "by": "daemon", "confirm_within": within if changed else None}, text)
    note = lasting(answer["profile"])
    if note:
        terminal.note(f"note: {note}")
    return ExitCode.OK


def _trial(path: str | None) -> TrialKeeper:
    from appliance.runtime.host.trial_keeper import TrialKeeper

    return TrialKeeper.of(profile_paths(path), "host")


def _accept(path: str | None, terminal: Terminal) -> int:
    running = client.daemon_runs()
    accepted = bool(client.call("confirm", {"refused": True})["accepted"]) if running else _trial(path).accept()
    if not accepted:
        raise ApplianceError(
            "no profile is refused here", hint="name the one the node starts from: appliance confirm --refused PATH"
        )
    terminal.result({"accepted": True}, "accepted: no profile is refused any more; `appliance apply` brings it into force")
    return ExitCode.OK


def _applied_text(count: int, within: float | None) -> str:
    if not count:
        return "nothing to do: this host is as the profile says"
    text = f"applied: {_changes(count)}"
    return f"{text}; undone in {seconds_text(within)} unless you run `appliance confirm`" if within is not None else text


def _changes(count: int) -> str:
    return "1 change" if count == 1 else f"{count} changes"
