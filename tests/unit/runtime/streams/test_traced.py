"""Streams as steps of traces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from appliance.errors import LocalFault
from appliance.runtime.streams.errors import NothingServed
from appliance.runtime.streams.traced import Step, step, untraced
from appliance.wire.stream_preface import MOST_METADATA, MOST_TEXT, Wanted, encode_wanted

SAID, OURS = f"00-{'a' * 32}-{'b' * 16}-01", f"00-{'a' * 32}-{'c' * 16}-01"


class Begun:
    def __init__(self) -> None:
        self.error = ""
        self.over = False

    def end(self) -> None:
        self.over = True


class Traces:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str, dict[str, Any]]] = []
        self.step = Begun()

    def begin(self, side: str, name: str, said: str, about: Mapping[str, Any], /) -> tuple[str, Step | None]:
        self.asked.append((side, name, said, dict(about)))
        return OURS, self.step


def test_our_step_goes_on_in_the_place_of_the_callers() -> None:
    traces = Traces()
    with step(traces.begin, "client", "connect echo", Wanted("echo", {}, SAID), {"appliance.peer": "left"}) as (passed_on, begun):
        assert passed_on == Wanted("echo", {}, OURS)
        assert begun is traces.step
        assert not traces.step.over
    assert traces.asked == [("client", "connect echo", SAID, {"appliance.service": "echo", "appliance.peer": "left"})]
    assert (traces.step.over, traces.step.error) == (True, "")


def test_why_it_went_wrong_is_a_code() -> None:
    traces = Traces()
    with pytest.raises(NothingServed), step(traces.begin, "client", "connect echo", Wanted("echo"), {}):
        raise NothingServed("nothing listens on left")
    assert (traces.step.over, traces.step.error) == (True, "NothingServed")


def test_where_nothing_is_traced_the_preface_is_byte_for_byte_what_the_application_said() -> None:
    for wanted in (Wanted("echo"), Wanted("echo", {"a": "b"}, SAID)):
        with step(untraced, "client", "connect echo", wanted, {}) as (passed_on, begun):
            assert encode_wanted(passed_on) == encode_wanted(wanted)
            assert begun is None


def test_metadata_of_the_application_go_before_a_traceparent_of_ours() -> None:
    sizes = next(number for number in range(MOST_TEXT, 0, -1) if fits({str(each): "x" * number for each in range(MOST_METADATA)}))
    full = Wanted("echo", {str(each): "x" * sizes for each in range(MOST_METADATA)})
    with step(Traces().begin, "client", "connect echo", full, {}) as (passed_on, _):
        assert passed_on == full


def fits(metadata: Mapping[str, str]) -> bool:
    try:
        encode_wanted(Wanted("echo", metadata))
    except LocalFault:
        return False
    return True
