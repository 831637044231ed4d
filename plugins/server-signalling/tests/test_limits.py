"""Buckets fill again, and patience ends."""

from __future__ import annotations

from appliance_server_signalling.limits import Bucket, Waiting


def test_a_bucket_gives_what_it_has_and_fills_again() -> None:
    bucket = Bucket(2, 4, 0)
    assert [bucket.take(1, 0) for _ in range(5)] == [True] * 4 + [False]
    assert bucket.take(2, 1)
    assert not bucket.take(1, 1)
    assert not bucket.take(5, 1000), "more than it can ever have"
    assert bucket.take(4, 1000), "nothing is taken for what is refused"


def test_who_is_late_is_told_once_and_who_did_it_is_not() -> None:
    waiting: Waiting[str] = Waiting(10)
    waiting.begin("slow", 0)
    waiting.begin("quick", 1)
    waiting.begin("slow", 5)
    waiting.end("quick")
    waiting.end("nobody")
    assert [*waiting.late(9)] == []
    assert [*waiting.late(10)] == ["slow"]
    assert [*waiting.late(100)] == []


def test_of_too_many_the_first_is_out_of_time() -> None:
    waiting: Waiting[int] = Waiting(10, 2)
    for number in range(4):
        waiting.begin(number, number)
    assert [*waiting.late(4)] == [0, 1]
