"""What others say of where they see this node, and the verdict about its NAT."""

from __future__ import annotations

from appliance.api.values import Endpoint
from appliance.members.reflections import MAX_AGE, MAX_TOLD, MAX_VOICES, Mapping, Reflections

OUTSIDE = Endpoint("udp", "203.0.113.9", 40001)


def told(*ends: Endpoint, network: str = "198.51.{}.1") -> Reflections:
    """Each voice speaks from a network of its own."""
    reflections = Reflections()
    for number, at in enumerate(ends):
        reflections.heard(f"voice {number}", network.format(number), at, float(number))
    return reflections


def at(port: int) -> Endpoint:
    return OUTSIDE._replace(port=port)


def test_three_voices_that_agree_make_a_verdict_and_two_do_not() -> None:
    assert told(OUTSIDE, OUTSIDE).verdict(4, (), 10.0).mapping is Mapping.UNKNOWN
    verdict = told(OUTSIDE, OUTSIDE, OUTSIDE).verdict(4, (), 10.0)
    assert (verdict.mapping, verdict.seen, verdict.voices) == (Mapping.INDEPENDENT, (OUTSIDE,), 3)


def test_where_each_sees_another_port_the_mapping_depends_on_the_far_end() -> None:
    assert told(at(1), at(2), at(3)).verdict(4, (), 10.0).mapping is Mapping.DEPENDENT


def test_where_others_see_the_hosts_own_address_there_is_no_nat() -> None:
    assert told(OUTSIDE, OUTSIDE, OUTSIDE).verdict(4, [OUTSIDE.host], 10.0).mapping is Mapping.NONE


def test_one_liar_of_three_is_outvoted_and_costs_one_address_to_try() -> None:
    lie = Endpoint("udp", "192.0.2.66", 53)
    verdict = told(lie, OUTSIDE, OUTSIDE).verdict(4, (), 10.0)
    assert verdict.mapping is Mapping.INDEPENDENT
    assert verdict.seen == (OUTSIDE, lie)


def test_liars_of_one_network_are_one_voice() -> None:
    reflections = told(OUTSIDE, OUTSIDE, OUTSIDE)
    for number in range(20):
        reflections.heard(f"liar {number}", f"192.0.2.{number}", at(number + 1), 5.0)
    verdict = reflections.verdict(4, (), 10.0)
    assert (verdict.mapping, verdict.seen[0], verdict.voices) == (Mapping.INDEPENDENT, OUTSIDE, 4)


def test_half_against_half_is_no_verdict() -> None:
    assert told(at(1), at(1), at(2), at(2)).verdict(4, (), 10.0).mapping is Mapping.UNKNOWN


def test_families_are_judged_each_by_itself() -> None:
    six = Endpoint("udp", "2001:db8::9", 8443)
    reflections = told(OUTSIDE, six, OUTSIDE, six, OUTSIDE, six)
    assert reflections.verdict(4, (), 10.0).seen == (OUTSIDE,)
    assert reflections.verdict(6, [six.host], 10.0).mapping is Mapping.NONE


def test_old_voices_gone_ones_and_those_of_another_network_do_not_count() -> None:
    reflections = told(OUTSIDE, OUTSIDE, OUTSIDE)
    assert reflections.verdict(4, (), MAX_AGE + 1.5).mapping is Mapping.UNKNOWN
    reflections.forget("voice 1")
    assert reflections.verdict(4, (), 10.0).voices == 2
    reflections.clear()
    assert reflections.verdict(4, (), 10.0).seen == ()


def test_many_voices_are_bounded_and_so_is_what_is_told() -> None:
    reflections = told(*[at(port) for port in range(1, 200)])
    assert len(reflections) == MAX_VOICES
    assert len(reflections.verdict(4, (), 200.0).seen) == MAX_TOLD


def test_a_voice_that_says_the_same_again_is_no_news() -> None:
    reflections = Reflections()
    assert reflections.heard("voice", "198.51.100.1", OUTSIDE, 0.0)
    assert not reflections.heard("voice", "198.51.100.1", OUTSIDE, 1.0)
    assert reflections.heard("voice", "198.51.100.1", at(7), 2.0)
