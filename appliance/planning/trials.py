"""What is known of profiles on trial: a window to confirm one in, those that were refused, and what was in force before. Pure.

            open                    confirm
    quiet ────────▶ window open ──────────────▶ quiet
                        │ time runs out, rollback, restart, reboot
                        ▼
                    refused ── accept, or confirm in a new window ──▶ quiet

A profile is known by a fingerprint of its content, so a changed profile is another one. A refused profile comes into force only
in a new window. All this survives processes and boots; `docs/adr/0020-trials-on-disk.md` has the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

MOST_REFUSED = 16
"""Profiles that are remembered as refused; the oldest are forgotten."""
VERSION = 1


class Why(StrEnum):
    """Why a profile is refused."""

    UNCONFIRMED = "unconfirmed"
    """Nobody confirmed it in time."""
    ROLLED_BACK = "rolled-back"
    """The admin went back to the profile before."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A profile that is refused."""

    profile: str
    """Its fingerprint."""
    why: Why
    since: float
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Window:
    """The time in which a profile may be confirmed."""

    profile: str
    """Its fingerprint."""
    until: float
    """Seconds since 1970."""
    boot_id: str
    """The boot in which it was opened."""
    netns: int
    """The network namespace in which it was opened."""
    by: str
    """Who waits for the confirmation: "daemon" or "host"."""


@dataclass(frozen=True, slots=True)
class Trial:
    """All that is known."""

    window: Window | None = None
    """None if no profile is on trial."""
    refusals: tuple[Refusal, ...] = ()
    good: str | None = None
    """The text of the profile to go back to; None if there was none before."""

    @property
    def quiet(self) -> bool:
        """Is there nothing to remember?"""
        return self.window is None and not self.refusals

    def refusal(self, profile: str) -> Refusal | None:
        """Why the profile with this fingerprint is refused; None if it is not."""
        return next((refusal for refusal in self.refusals if refusal.profile == profile), None)


def opened(trial: Trial, window: Window, good: str | None) -> Trial:
    """A profile will come into force on trial. `good` is what is in force until then; None if nothing is."""
    return replace(trial, window=window, good=good or trial.good)


def confirmed(trial: Trial, in_force: str | None = None) -> Trial:
    """The admin can still reach the host: the profile on trial stays."""
    assert trial.window is not None
    left = tuple(refusal for refusal in trial.refusals if refusal.profile != trial.window.profile)
    return settled(Trial(None, left, in_force))


def lapsed(trial: Trial, why: Why, now: float) -> Trial:
    """Nobody confirmed in time, or the process that waited is gone: the profile on trial is refused from now on."""
    if trial.window is None:
        return trial
    return refused(replace(trial, window=None), trial.window.profile, why, now)


def refused(trial: Trial, profile: str, why: Why, now: float, good: str | None = None) -> Trial:
    """A profile is not wanted any more. `good` is what comes into force instead."""
    others = tuple(refusal for refusal in trial.refusals if refusal.profile != profile)
    return replace(trial, refusals=(*others, Refusal(profile, why, now))[-MOST_REFUSED:], good=good or trial.good)


def accepted(trial: Trial) -> Trial:
    """The admin takes all refusals back."""
    return settled(replace(trial, refusals=()))


def in_force(trial: Trial, good: str) -> Trial:
    """A profile that nobody refuses is in force: it is the one to go back to, as long as there is anything to remember."""
    return settled(replace(trial, good=good))


def settled(trial: Trial) -> Trial:
    """The same, without a profile to go back to if nothing can lead there."""
    return Trial() if trial.quiet else trial


def to_json(trial: Trial) -> dict[str, Any]:
    """Plain JSON."""
    window = trial.window
    return {
        "version": VERSION,
        "window": None if window is None else {name: getattr(window, name) for name in window.__slots__},
        "refusals": [{"profile": one.profile, "why": one.why.value, "since": one.since} for one in trial.refusals],
        "good": trial.good,
    }


def from_json(data: Mapping[str, Any]) -> Trial:
    """What `to_json` wrote. Raises ValueError, TypeError or LookupError if it is something else."""
    if data["version"] != VERSION:
        raise ValueError("written by another version of the appliance")
    window, good = data["window"], data["good"]
    if good is not None and not isinstance(good, str):
        raise TypeError("not a text")
    refusals = tuple(Refusal(str(one["profile"]), Why(one["why"]), float(one["since"])) for one in data["refusals"])
    return Trial(None if window is None else _window(**window), refusals, good)


def _window(profile: str, until: float, boot_id: str, netns: int, by: str) -> Window:
    return Window(str(profile), float(until), str(boot_id), int(netns), str(by))
