"""Profiles on trial: what the daemon and the commands ask before they bring one into force, and tell after they did.

The rules are `planning.trials`; this reads the clock, the boot and the namespace for them, and has each change on disk first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from appliance.errors import ApplianceError, ExitCode
from appliance.foundation import clock
from appliance.linux import machine
from appliance.planning import trials
from appliance.planning.trials import Refusal, Why, Window
from appliance.runtime.host.kept_profile import fingerprint, text_of
from appliance.runtime.host.trial_file import TrialFile, all_files

if TYPE_CHECKING:
    from appliance.api.profile import Profile

SAID = {
    Why.UNCONFIRMED: "nobody confirmed this profile in time ({since}), so it was undone and is refused",
    Why.ROLLED_BACK: "this profile was rolled back ({since}) and is refused",
}
WAY_ON = (
    "change it; or bring it into force with --confirm-within 60s and run `appliance confirm` in time; or take the refusal back: "
    "`appliance confirm --refused`"
)


class Withheld(ApplianceError):
    """The profile is refused until it is confirmed or changed."""

    exit_code = ExitCode.WITHHELD


class TrialKeeper:
    """The trial of one node. `by` is "daemon" or "host": who undoes what nobody confirms."""

    def __init__(self, file: TrialFile, by: str) -> None:
        self._file = file
        self._by = by

    @classmethod
    def of(cls, paths: Sequence[Path], by: str) -> Self:
        """The one of a node that starts from `paths` (none: the system's). Raises TrialDamaged, HostError."""
        return cls(TrialFile.of(paths), by)

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    @property
    def good(self) -> str | None:
        """The text of the profile to go back to."""
        return self._file.trial.good

    def refusal(self, profile: Profile) -> Refusal | None:
        """Why the profile is refused, None when it is not."""
        trial = self._file.trial
        return trial.refusal(fingerprint(text_of(profile))) if trial.refusals else None

    def sentences(self) -> list[str]:
        """What is refused, for people."""
        return [said(refusal) for refusal in self._file.trial.refusals]

    def judge(self, profile: Profile) -> None:
        """Raises Withheld for a profile that is refused."""
        refusal = self.refusal(profile)
        if refusal is not None:
            raise Withheld(said(refusal), hint=WAY_ON)

    @contextmanager
    def opening(self, profile: Profile, seconds: float, good: Profile | None = None) -> Iterator[None]:
        """Open a window while `profile` is brought into force; if that fails, it was never on trial."""
        before = self._file.trial
        window = Window(
            fingerprint(text_of(profile)), clock.wall() + seconds, machine.boot_id(), machine.netns_cookie(), self._by
        )
        self._file.keep(trials.opened(before, window, None if good is None else text_of(good)))
        try:
            yield
        except BaseException:
            self._file.keep(before)
            raise

    def close(self) -> None:
        """There was nothing to confirm."""
        self._file.keep(trials.settled(trials.Trial(None, self._file.trial.refusals, self._file.trial.good)))

    def give_up(self, state_dir: Path) -> bool:
        """End the window of an earlier process: a node that is gone was not confirmed. True if a daemon had opened it.

        Raises Unconfirmed for one of `appliance apply` without a daemon, while its watchdog stands watch.
        """
        window = self._file.trial.window
        if window is None:
            return False
        if window.by == "host":
            from appliance.apply import engine

            engine.refuse_unconfirmed(state_dir)
        self.lapse(Why.UNCONFIRMED)
        return window.by == "daemon"

    def confirm(self, in_force: Profile | None = None) -> None:
        """The admin still has the host."""
        if self._file.trial.window is not None:
            self._file.keep(trials.confirmed(self._file.trial, None if in_force is None else text_of(in_force)))

    def lapse(self, why: Why) -> None:
        """What is on trial, if anything is, is refused from now on."""
        self._file.keep(trials.lapsed(self._file.trial, why, clock.wall()))

    def roll_back(self, profile: Profile, good: Profile | None) -> None:
        """`profile` is refused from now on; `good` comes into force instead."""
        self.lapse(Why.ROLLED_BACK)
        text = None if good is None else text_of(good)
        self._file.keep(trials.refused(self._file.trial, fingerprint(text_of(profile)), Why.ROLLED_BACK, clock.wall(), text))

    def accept(self) -> bool:
        """Take all refusals back. False when there was none."""
        found = bool(self._file.trial.refusals)
        self._file.keep(trials.accepted(self._file.trial))
        return found

    def in_force(self, profile: Profile) -> None:
        """A profile that nobody refuses is in force."""
        if not self._file.trial.quiet:
            self._file.keep(trials.in_force(self._file.trial, text_of(profile)))


def on_this_host() -> Iterator[TrialKeeper]:
    """Those with a window that was opened in this boot and network namespace. Raises TrialDamaged, HostError."""
    for file in all_files():
        window = file.trial.window
        if window is not None and (window.boot_id, window.netns) == (machine.boot_id(), machine.netns_cookie()):
            yield TrialKeeper(file, window.by)


def said(refusal: Refusal) -> str:
    """The sentence about a refused profile."""
    return SAID[refusal.why].format(since=clock.utc_text(refusal.since))
