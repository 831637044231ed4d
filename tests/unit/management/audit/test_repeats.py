"""A flood does not fill the log, and nothing of it is lost but its details."""

from __future__ import annotations

from appliance.management.audit.entry import Entry, Outcome, Who
from appliance.management.audit.repeats import BURST, WINDOW, Repeats


def denied(name: str, target: str = "") -> Entry:
    return Entry("reload", Outcome.DENIED, Who("local", name, 1000), target=target, reason="permission", request="r")


def test_the_first_is_told_at_once_and_the_others_as_a_number() -> None:
    repeats = Repeats(0.0)
    told = [repeats.note(denied("eve"), now) for now in (0.0, 1.0, 2.0)]
    assert told == [denied("eve"), None, None]
    assert repeats.next_due == WINDOW
    assert repeats.due(WINDOW - 1) == []
    (counted,) = repeats.due(WINDOW)
    assert (counted.times, counted.who.name, counted.request) == (2, "eve", "")
    assert repeats.next_due is None


def test_what_was_there_once_is_one_entry() -> None:
    repeats = Repeats(0.0)
    assert repeats.note(denied("eve"), 0.0) is not None
    assert repeats.note(denied("bob"), 0.0) is not None
    assert repeats.due(WINDOW) == []


def test_a_flood_of_ever_new_kinds_is_counted_together() -> None:
    repeats = Repeats(0.0)
    told = [repeats.note(denied("eve", str(number)), 0.0) for number in range(10_000)]
    at_once = sum(entry is not None for entry in told)
    (counted,) = repeats.all()
    assert at_once == BURST
    assert (counted.who.kind, counted.times) == ("several", 10_000 - BURST)
    assert repeats.all() == []
