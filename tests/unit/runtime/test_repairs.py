"""A fight over the host ends: pauses grow, then it is left to the admin, and other things are not held up by it."""

from __future__ import annotations

from appliance.runtime.host.repairs import PAUSES, WINDOW, Repairs


def test_pauses_grow_and_then_it_is_given_up() -> None:
    repairs, now, waited = Repairs(), 1000.0, []
    while (wait := repairs.wait({"route"}, now)) is not None:
        waited.append(wait)
        now += wait
        repairs.tried({"route", "rule"}, now)
    assert waited == list(PAUSES)
    assert repairs.wait({"rule"}, now) is None
    assert repairs.wait({"table"}, now) == 0.0, "something else is brought back at once"


def test_it_is_tried_again_when_the_fight_is_over() -> None:
    repairs = Repairs()
    for _ in PAUSES:
        repairs.tried({"route"}, 1000.0)
    assert repairs.wait({"route"}, 1000.0 + WINDOW - 1) is None
    assert repairs.wait({"route"}, 1000.0 + WINDOW) == 0.0
