"""Seats and buckets, in a time that the test makes."""

from __future__ import annotations

from appliance.api.values import group_of
from appliance.api_server.edge import limits
from appliance.api_server.edge.limits import ROOT_GROUP, Buckets, Seats, local_group


def test_one_sender_is_an_address_or_what_one_customer_has() -> None:
    assert group_of("192.0.2.1") == group_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert group_of("2001:db8::1") == group_of("2001:db8::ffff:2") != group_of("2001:db8:0:1::1")
    assert group_of("::1") != group_of("::2")
    assert group_of("fe80::1%eth0") == group_of("fe80::2")
    assert group_of("proxy") == "proxy"


def test_seats_are_for_each_and_for_all_and_those_of_this_host_are_apart() -> None:
    seats = Seats(3, 2)
    assert [seats.take("a"), seats.take("a"), seats.take("a")] == ["", "", "connections-of-address"]
    assert [seats.take("b"), seats.take("c")] == ["", "connections"]
    assert seats.take(ROOT_GROUP) == ""
    seats.leave("a")
    assert seats.take("c") == ""
    assert seats.taken == 4


def test_users_of_this_host_take_no_seats_of_root_and_one_of_them_not_all_of_the_others() -> None:
    seats = Seats(1, 1)
    others = limits.MOST_LOCAL - limits.MOST_OF_LOCAL_USER
    for uid, most in ((1000, limits.MOST_OF_LOCAL_USER), (1001, others), (0, limits.MOST_LOCAL)):
        assert {seats.take(local_group(uid)) for _ in range(most)} == {""}
        assert seats.take(local_group(uid)) == "local-connections"
    assert seats.take(local_group(1002)) == "local-connections"
    seats.leave(local_group(1000))
    assert seats.take(local_group(1002)) == ""
    assert seats.take("192.0.2.1") == ""


def test_a_bucket_fills_again() -> None:
    buckets = Buckets(2.0, 2)
    assert [buckets.take("a", 0.0), buckets.take("a", 0.0), buckets.take("a", 0.0)] == [0.0, 0.0, 0.5]
    assert buckets.take("b", 0.0) == 0.0
    assert buckets.take("a", 0.5) == 0.0
    assert [buckets.take("a", 100.0) for _ in range(3)] == [0.0, 0.0, 0.5]


def test_a_rate_of_nothing_refuses_nobody_and_strangers_fill_no_memory() -> None:
    assert not any(Buckets(0, 1).take("a", 0.0) for _ in range(100))
    buckets = Buckets(1.0, 1)
    for number in range(limits.MOST_REMEMBERED + 10):
        buckets.take(str(number), 0.0)
    assert len(buckets._of) == limits.MOST_REMEMBERED
