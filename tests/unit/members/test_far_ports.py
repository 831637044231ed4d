"""Ports of a NAT that are foretold, and ports that are met by chance."""

from __future__ import annotations

from random import Random

import pytest

from appliance.api.values import Endpoint
from appliance.members.far_ports import (
    AGAIN_SECONDS,
    BETWEEN_SECONDS,
    FANNED,
    SPRAYED,
    WINDOW,
    Attempts,
    drawn,
    foretold,
    may_meet,
    window,
)
from appliance.members.reflections import Mapping


def at(port: int, host: str = "203.0.113.9") -> Endpoint:
    return Endpoint("udp", host, port)


@pytest.mark.parametrize(
    ("first", "second", "following"),
    [
        (at(20000), at(20001), at(20002)),
        (at(20000), at(20002), at(20004)),
        (at(20000), at(20005), None),
        (at(20000), at(20000), None),
        (at(20001), at(20000), None),
        (at(40000), at(40001), None),
        (at(20000), at(20001, "203.0.113.8"), None),
        (at(65534), at(65535), None),
    ],
)
def test_the_next_port_is_foretold_where_the_nat_counts(first: Endpoint, second: Endpoint, following: Endpoint | None) -> None:
    assert foretold(first, second, local=40000) == following


def test_others_use_the_nat_too_so_a_few_ports_are_tried() -> None:
    assert window(at(20002)) == [at(20002 + number) for number in range(WINDOW)]
    assert window(at(65534)) == [at(65534), at(65535)]


def test_nineteen_of_twenty_attempts_meet() -> None:
    random = Random(5)
    met = 0
    for _ in range(200):
        mapped = {random.randrange(1024, 65536) for _ in range(FANNED)}
        ports = list(drawn(random.randbytes))
        assert len(set(ports)) == SPRAYED
        met += bool(mapped & set(ports))
    assert met >= 190


@pytest.mark.parametrize(
    ("mine", "theirs", "worth_it"),
    [
        (Mapping.DEPENDENT, Mapping.INDEPENDENT, True),
        (Mapping.UNKNOWN, Mapping.DEPENDENT, True),
        (Mapping.DEPENDENT, Mapping.DEPENDENT, False),
        (Mapping.INDEPENDENT, Mapping.INDEPENDENT, False),
        (Mapping.SEQUENTIAL, Mapping.DEPENDENT, False),
        (Mapping.UNKNOWN, "whatever a peer says", False),
    ],
)
def test_two_nats_that_draw_their_ports_never_meet(mine: str, theirs: str, worth_it: bool) -> None:
    assert may_meet(mine, theirs) is worth_it


def test_one_attempt_at_a_time_and_with_each_peer_seldom() -> None:
    attempts = Attempts()
    assert attempts.take("one", 0.0)
    assert not attempts.take("two", BETWEEN_SECONDS / 2)
    assert attempts.take("two", BETWEEN_SECONDS)
    assert not attempts.take("one", AGAIN_SECONDS - 1)
    assert attempts.take("one", AGAIN_SECONDS)
    assert attempts.begun == 3
