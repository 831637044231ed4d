"""What a watch has to know after a restart: what lasts, what has just been over, and what was usual when that began. So a restart
neither ends what still lasts nor tells it a second time.

    {"states": [{"rule", "label", "heard", "calm", "first", "raised", "rests_until", "value", "reason",
                 "usual": [mean, variance, readings] or null}]}
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from appliance.management.analytics import rules
from appliance.management.analytics.anomalies import MOST_RAISED, State, Watch, figure_of
from appliance.management.analytics.rules import Excess
from appliance.management.analytics.usual import Usual

MOST: Final = 4 * MOST_RAISED
"""States that are remembered: all that last, and of those that rest the newest."""
MOST_REASON: Final = 2000
"""Characters."""


class RememberedInvalid(ValueError):
    """These bytes do not say what a watch knew."""


def encode(watch: Watch, at: int) -> bytes:
    """What is to be kept at `at`, in Unix seconds."""
    named = [(name, state) for name, state in watch.states.items() if state.raised or at < state.rests_until]
    named.sort(key=lambda each: (each[1].raised, each[1].rests_until))
    return json.dumps({"states": [_document(watch, *each) for each in named[-MOST:]]}, separators=(",", ":")).encode()


def restore(watch: Watch, kept: bytes) -> None:
    """Let a new watch know it. Raises RememberedInvalid, and then it knows nothing."""
    try:
        found = [(_state(each), _usual(each)) for each in json.loads(kept)["states"][:MOST]]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise RememberedInvalid(str(error)) from error
    for state, usual in found:
        assert state.excess is not None
        watch.states[state.excess.rule, state.excess.label] = state
        key = figure_of(state.excess.rule, state.excess.label)
        if key is not None and usual is not None:
            watch.usual[key] = usual, state.heard


def _document(watch: Watch, name: tuple[str, str], state: State) -> Mapping[str, Any]:
    assert state.excess is not None
    key = figure_of(*name)
    usual = watch.usual.get(key) if key is not None else None
    return {
        "rule": name[0],
        "label": name[1],
        "heard": state.heard,
        "calm": state.calm,
        "first": state.first,
        "raised": state.raised,
        "rests_until": state.rests_until,
        "value": state.excess.value,
        "reason": state.excess.reason,
        "usual": None if usual is None else usual[0].parts(),
    }


def _state(told: Mapping[str, Any]) -> State:
    rule, label, reason = (_text(told[name]) for name in ("rule", "label", "reason"))
    if rule not in rules.REMEDIES:
        raise ValueError(f"no rule {rule[:40]}")
    heard, calm, first, rests_until = (_whole(told[name]) for name in ("heard", "calm", "first", "rests_until"))
    excess = Excess(rule, label, _finite(told["value"]), reason)
    return State(heard, 0, calm, first, told["raised"] is True, rests_until, excess)


def _usual(told: Mapping[str, Any]) -> Usual | None:
    parts = told["usual"]
    if parts is None:
        return None
    mean, variance, readings = parts
    return Usual.of(_finite(mean), abs(_finite(variance)), _whole(readings))


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MOST_REASON:
        raise TypeError("not a text")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value < 1 << 40:
        raise ValueError("not a number that can be")
    return value


def _finite(value: Any) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("not a number")
    return float(value)
