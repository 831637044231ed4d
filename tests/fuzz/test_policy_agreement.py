"""Random policies, and random packets and streams: the rules' evaluator, the judge of streams and the kernel's chains agree."""

from __future__ import annotations

import ipaddress
import random

import pytest

from appliance.api.access import What
from appliance.policy.judging import Judge
from appliance.policy.subjects import HERE
from appliance.runtime.streams.callers import Caller
from tests.netns.throwaway import Throwaway
from tests.rigs.judged import DIRECTORY, PARTIES, SERVICES, STRANGERS, Kernel, Packet, random_packet, random_profile

pytestmark = pytest.mark.netns

PACKETS = 60
"""Of each policy."""


def test_the_evaluator_the_streams_and_the_kernel_agree(long_form: bool) -> None:
    seed, policies = random.randrange(2**32), 250 if long_form else 20
    with Throwaway() as namespace:
        pairs, allowed = namespace.run(judge_all, seed, policies)
    assert pairs >= policies * PACKETS
    assert pairs / 50 < allowed < pairs * 0.9, f"seed {seed}: nearly all were judged alike"


def judge_all(seed: int, policies: int) -> tuple[int, int]:
    """How many pairs of a policy and a packet or a stream were judged, and how many of them allowed."""
    chance = random.Random(seed)
    pairs = allowed = 0
    with Kernel() as kernel:
        for turn in range(policies):
            profile = random_profile(chance)
            judge, access = Judge(profile), kernel.use(profile)
            packets = [random_packet(chance, turn * PACKETS + number) for number in range(PACKETS)]
            verdicts = {each.number: judge.judge(each.subject, each.target, each.what, each.version) for each in packets}
            expected = {number for number, verdict in verdicts.items() if verdict.allowed}
            passed = kernel.passed(packets)
            wrong = [packet for packet in packets if (packet.number in expected) != (packet.number in passed)]
            assert not wrong, f"seed {seed}: {told(wrong[0], verdicts[wrong[0].number].why, profile.policy)}"
            for address in (*(each for party in PARTIES for each in party.addresses), *map(ipaddress.ip_address, STRANGERS)):
                for service in SERVICES:
                    may = judge.judge(DIRECTORY.subject(address), HERE, What(service), address.version).allowed
                    refused = access.may_have(Caller(address, "somebody"), service)
                    assert (refused == "") is may, (address, service, profile.policy)
                    pairs, allowed = pairs + 1, allowed + may
            pairs, allowed = pairs + len(packets), allowed + len(expected)
    return pairs, allowed


def told(packet: Packet, why: str, policy: object) -> str:
    return f"{packet}: the evaluator says: {why}; the kernel does not, with {policy}"
