"""All ordered pairs of fifteen kinds of NAT, in virtual time: which find a direct path, as theory and the kernel's NATs say."""

from __future__ import annotations

import pytest
from rigs.nats import KINDS, seekers

from appliance.testing.network import Network

OPEN = {"none", "one-to-one", "full-cone", "double full-cone"}
BY_ADDRESS = {"address-restricted"}
SYMMETRIC = {"symmetric", "sequential", "double symmetric"}
BLOCKED = {"udp-blocked", "only-443"}
SECONDS = 8.0


def is_direct(left: str, right: str) -> bool:
    """Does theory allow a direct path? Not where UDP is blocked, nor where a port that depends on the far end meets a filter by
    port: nobody knows where to send."""
    if BLOCKED & {left, right}:
        return False
    if SYMMETRIC & {left, right}:
        return bool((OPEN | BY_ADDRESS) & {left, right})
    return True


@pytest.mark.parametrize("left", KINDS)
def test_a_pair_is_direct_where_theory_allows_it_and_both_sides_say_the_same(left: str) -> None:
    found, wanted = {}, {}
    for right in KINDS:
        network = Network(seed=7, latency=0.025)
        one, two = seekers(network, left, right)
        network.run(SECONDS)
        found[right] = one.scheme, two.scheme
        wanted[right] = ("udp", "udp") if is_direct(left, right) else ("tcp", "tcp")
        one.host.send("b", b"there")
        two.host.send("a", b"back")
        network.run(0.5)
        assert (one.host.received, two.host.received) == ([("b", b"back")], [("a", b"there")]), right
    assert found == wanted
