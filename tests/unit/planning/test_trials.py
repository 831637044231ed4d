"""Profiles on trial, as a table of what may happen to them, and as random stories beside a simple model."""

from __future__ import annotations

import json

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from appliance.planning import trials
from appliance.planning.trials import MOST_REFUSED, Refusal, Trial, Why, Window


def window(profile: str = "new") -> Window:
    return Window(profile, 1060.0, "this boot", 7, "daemon")


OPEN = Trial(window(), (), "old text")
REFUSED = Trial(None, (Refusal("new", Why.UNCONFIRMED, 1060.0),), "old text")
QUIET = Trial()
TABLE = [
    ("a window opens", trials.opened(QUIET, window(), "old text"), OPEN),
    ("a first profile has none before it", trials.opened(QUIET, window(), None), Trial(window())),
    ("confirmed", trials.confirmed(OPEN, "new text"), QUIET),
    ("nobody confirmed", trials.lapsed(OPEN, Why.UNCONFIRMED, 1060.0), REFUSED),
    ("nothing was on trial", trials.lapsed(REFUSED, Why.UNCONFIRMED, 2000.0), REFUSED),
    ("refused, then tried again", trials.opened(REFUSED, window(), "old text"), Trial(window(), REFUSED.refusals, "old text")),
    ("refused, then confirmed", trials.confirmed(trials.opened(REFUSED, window(), "old text"), "new text"), QUIET),
    ("refused, then accepted", trials.accepted(REFUSED), QUIET),
    ("refused, then another is in force", trials.in_force(REFUSED, "other text"), Trial(None, REFUSED.refusals, "other text")),
    ("in force, and nothing to remember", trials.in_force(QUIET, "text"), QUIET),
    (
        "another is confirmed: the first stays refused",
        trials.confirmed(trials.opened(REFUSED, window("other"), "old text"), "other text"),
        Trial(None, REFUSED.refusals, "other text"),
    ),
    (
        "rolled back",
        trials.refused(QUIET, "new", Why.ROLLED_BACK, 5.0, "old text"),
        Trial(None, (Refusal("new", Why.ROLLED_BACK, 5.0),), "old text"),
    ),
]


@pytest.mark.parametrize(("found", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_the_table(found: Trial, expected: Trial) -> None:
    assert found == expected
    assert trials.from_json(json.loads(json.dumps(trials.to_json(found)))) == found


@pytest.mark.parametrize(
    "data", [{}, {"version": 2}, {"version": 1, "window": {}, "refusals": [], "good": None}, {"version": 1, "window": 3}]
)
def test_what_is_no_trial(data: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError, LookupError)):
        trials.from_json(data)


class Stories(RuleBasedStateMachine):
    """What is refused is what lapsed or was rolled back, and was neither confirmed nor accepted since."""

    def __init__(self) -> None:
        super().__init__()
        self.trial = Trial()
        self.refused: list[str] = []
        self.on_trial: str | None = None

    @precondition(lambda self: self.on_trial is None)
    @rule(profile=st.sampled_from("abc"))
    def open(self, profile: str) -> None:
        self.trial = trials.opened(self.trial, window(profile), "good")
        self.on_trial = profile

    @precondition(lambda self: self.on_trial is not None)
    @rule()
    def confirm(self) -> None:
        self.trial = trials.confirmed(self.trial, "good")
        self.refused = [profile for profile in self.refused if profile != self.on_trial]
        self.on_trial = None

    @rule(why=st.sampled_from(Why))
    def lapse(self, why: Why) -> None:
        self.trial = trials.lapsed(self.trial, why, 1.0)
        if self.on_trial is not None:
            self.refused.append(self.on_trial)
            self.on_trial = None

    @precondition(lambda self: self.on_trial is None)
    @rule(profile=st.sampled_from("abc"))
    def roll_back(self, profile: str) -> None:
        self.trial = trials.refused(self.trial, profile, Why.ROLLED_BACK, 1.0, "good")
        self.refused.append(profile)

    @rule()
    def accept(self) -> None:
        self.trial = trials.accepted(self.trial)
        self.refused.clear()

    @rule()
    def reboot(self) -> None:
        self.trial = trials.from_json(json.loads(json.dumps(trials.to_json(self.trial))))

    @invariant()
    def agrees(self) -> None:
        assert {profile for profile in "abc" if self.trial.refusal(profile)} == set(self.refused)
        assert (self.trial.window is None) == (self.on_trial is None)
        assert (self.trial.good is None) or not self.trial.quiet


Stories.TestCase.settings = settings(max_examples=50, stateful_step_count=30)
test_stories = Stories.TestCase


def test_it_does_not_grow() -> None:
    trial = Trial()
    for number in range(1000):
        trial = trials.refused(trial, str(number), Why.ROLLED_BACK, float(number))
    assert len(trial.refusals) == MOST_REFUSED
    assert trial.refusal("999") is not None
