from __future__ import annotations

from appliance.members.lifetimes import Lifetimes, lifetimes_of
from tests.unit.members.signed import DAY, NOW, certificate, identity

IN_1970 = DAY


def test_a_clock_is_believed_unless_everything_began_later() -> None:
    found = lifetimes_of([certificate("a"), certificate("b", not_before=NOW + DAY)])
    assert found == Lifetimes(NOW, NOW + DAY)
    for wall in (NOW - 300, NOW, NOW + 365 * DAY):
        assert (found.begin_after(wall), found.time(wall)) == (False, wall), "clocks differ, and certificates end"
    for wall in (NOW - 301, IN_1970):
        assert (found.begin_after(wall), found.time(wall)) == (True, NOW + DAY)


def test_a_time_at_which_most_are_valid_is_taken_and_not_what_one_wrong_clock_wrote() -> None:
    ended = certificate("ended", not_before=NOW - 90 * DAY, not_after=NOW - 60 * DAY)
    ahead = certificate("ahead", not_before=NOW + 3650 * DAY, not_after=NOW + 3680 * DAY)
    assert lifetimes_of([ahead, certificate("a"), certificate("b", not_before=NOW + DAY), ended]).time(IN_1970) == NOW + DAY


def test_a_clock_before_the_nodes_own_certificate_is_wrong_however_long_others_are_there() -> None:
    long_ago = certificate("founder", not_before=NOW - 200 * DAY, not_after=NOW + 165 * DAY)
    over = certificate("over", not_before=NOW - 200 * DAY, not_after=NOW - DAY)
    found = lifetimes_of([long_ago, over, certificate("own")], identity("own"))
    assert (found.time(NOW - 90 * DAY), found.time(NOW + DAY)) == (NOW, NOW + DAY)


def test_without_certificates_there_is_nothing_to_know_better_by() -> None:
    assert lifetimes_of([]).time(IN_1970) == IN_1970
