"""A watch that ends and begins again in the middle of something."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.management.analytics import remembered
from appliance.management.analytics.anomalies import ADOPT, CALM, CONFIRM, MOST_RAISED, REST, Watch
from appliance.management.analytics.measures import Reading
from appliance.management.analytics.remembered import RememberedInvalid
from appliance.management.analytics.series import Key, Kind, counted
from appliance.management.analytics.usual import WARM_UP

NOON = 1_764_072_000
EVERY = 10


class Story:
    def __init__(self) -> None:
        self.watch = Watch()
        self.at = NOON
        self.told: list[tuple[bool, str]] = []

    def hears(self, rate: float, times: int = 1, document: dict[str, Any] | None = None) -> Story:
        for _ in range(times):
            reading: Reading = Key("drops", "no_session"), Kind.RATE, counted(rate * EVERY, EVERY)
            self.told += [
                (each.began, each.anomaly.rule) for each in self.watch.take(self.at, [reading], document or {"uptime": 1e6})
            ]
            self.at += EVERY
        return self

    def begins_again(self) -> Story:
        kept = remembered.encode(self.watch, self.at)
        self.watch = Watch()
        remembered.restore(self.watch, kept)
        return self


def raised() -> Story:
    story = Story().hears(0.2, WARM_UP).hears(40, CONFIRM)
    assert story.told == [(True, "drops-rising")]
    return story


def test_what_lasts_is_not_told_again_and_ends_once() -> None:
    story = raised().begins_again().hears(40, 20).begins_again().hears(40, 20)
    (lasting,) = story.watch.now()
    assert lasting.since == NOON + WARM_UP * EVERY
    assert "usual 0.2/s" in lasting.reason
    story.hears(0.2, CALM).begins_again().hears(0.2, 5)
    assert story.told == [(True, "drops-rising"), (False, "drops-rising")]


def test_what_ended_meanwhile_is_over_soon() -> None:
    story = raised().begins_again().hears(0.2, CALM)
    assert story.told[1:] == [(False, "drops-rising")]


def test_what_has_just_been_over_rests_still() -> None:
    story = raised().hears(0.2, CALM).begins_again().hears(0.2, WARM_UP).hears(40, CONFIRM)
    assert len(story.told) == 2
    story.hears(0.2, REST // EVERY).begins_again()
    assert not story.watch.states, "what rests no more is forgotten"


def test_what_lasts_for_an_hour_is_usual_all_the_same() -> None:
    story = raised().hears(40, ADOPT // EVERY // 2).begins_again().hears(40, ADOPT // EVERY // 2)
    assert story.told[1:] == [(False, "drops-rising")]


def test_a_limit_needs_nothing_usual() -> None:
    full = {"uptime": 1e6, "disk": {"total": 1 << 30, "free": 1 << 20}}
    story = Story().hears(0, CONFIRM, full).begins_again().hears(0, 10, full).begins_again().hears(0, CALM)
    assert story.told == [(True, "disk-filling"), (False, "disk-filling")]


def test_it_is_bounded() -> None:
    watch = Watch()
    for name in range(1000):
        for look in range(CONFIRM):
            processes = [{"name": f"{name} \N{BLACK STAR}" * 40, "descriptors": 9, "most_descriptors": 10}]
            watch.take(NOON + name * CONFIRM + look, (), {"uptime": 1e6, "processes": processes})
    kept = remembered.encode(watch, NOON + 1000 * CONFIRM)
    assert len(json.loads(kept)["states"]) >= MOST_RAISED
    assert len(kept) < 1 << 20, "a record of the store holds it"


@pytest.mark.parametrize(
    "damaged",
    [b"", b"{}", b"[1]", b'{"states": 1}', b'{"states": [{}]}', b"[" * 100_000, b"\xff", b'{"states": [null]}'],
)
def test_what_cannot_be_read_is_refused(damaged: bytes) -> None:
    watch = Watch()
    with pytest.raises(RememberedInvalid):
        remembered.restore(watch, damaged)
    assert not watch.now()


@given(
    name=st.sampled_from(["rule", "label", "heard", "calm", "first", "rests_until", "value", "reason", "usual"]),
    value=st.one_of(st.none(), st.just([]), st.floats(), st.integers(), st.text(max_size=5), st.just([1, 2, "3"])),
)
def test_whatever_a_field_has_the_watch_goes_on(name: str, value: Any) -> None:
    story = raised()
    told = json.loads(remembered.encode(story.watch, story.at))
    told["states"][0][name] = value
    story.watch = Watch()
    try:
        remembered.restore(story.watch, json.dumps(told).encode())
    except RememberedInvalid:
        assert not story.watch.states
    story.hears(0.2, CALM)
