"""What a row says of a service, and what a stranger may have written there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.members.offer import Health, Offer, OfferRefused, offer_of, service_of
from appliance.members.row import MOST_TEXT, Service, read_row
from tests.unit.members.rows import row


def test_one_that_works_costs_its_name() -> None:
    assert service_of(Offer("echo")) == Service("echo", "")
    assert offer_of(Service("echo", "")) == Offer("echo")


def test_what_is_said_travels_in_a_row() -> None:
    offer = Offer("echo", Health.FAILING, 40, {"version": "2", "zone": "süd"})
    [service] = read_row(row("a", services=(service_of(offer),))).services
    assert offer_of(service) == offer


def test_a_load_is_told_in_steps() -> None:
    assert [offer_of(service_of(Offer("echo", load=load))).load for load in (9, 10, 57, 100, 900)] == [0, 10, 50, 100, 100]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "offer",
    [
        Offer(""),
        Offer("Echo"),
        Offer("a" * 64),
        Offer("echo", metadata={"version": "x" * MOST_TEXT}),
        Offer("echo", metadata={"a b": "c"}),
        Offer("echo", metadata={"a": 7}),  # type: ignore[dict-item]
    ],
)
def test_what_does_not_fit_is_refused_here(offer: Offer) -> None:
    with pytest.raises(OfferRefused):
        service_of(offer)


def test_later_versions_may_say_more() -> None:
    assert offer_of(Service("echo", '{"weight":3,"load":20}')) == Offer("echo", load=20)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "up",
            "[]",
            "7",
            '{"health":"great"}',
            '{"health":[]}',
            '{"load":true}',
            '{"load":101}',
            '{"load":1.5}',
            '{"metadata":[]}',
        ),
        *('{"metadata":{"a":{}}}', "[" * 255, '{"metadata":{"":"x"}}', '{"a":1' + " " * 255 + "}", '"\ud800"', '{"load":\x00}'),
    ],
)
def test_what_a_stranger_wrote_is_no_offer(text: str) -> None:
    assert offer_of(Service("echo", text)) is None


@given(st.text(max_size=80), st.text(max_size=300))
def test_nothing_that_anybody_writes_raises(name: str, text: str) -> None:
    found = offer_of(Service(name, text))
    assert found is None or found.service == name
