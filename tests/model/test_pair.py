"""Two real nodes against a reference model: whatever happens to them, they end up where the model says.

The model is what an admin expects: two nodes that are up, know each other, share a policy and can reach each other have exactly
one session and lose nothing on a clean network; otherwise they have none. It knows nothing of packets.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from appliance.protocol.session import SessionState
from appliance.testing.network import Nat, Network
from appliance.testing.pair import HOSTS, Pair
from appliance.testing.simulated_host import SimulatedHost

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(3600)]

SIDES = st.sampled_from("ab")
OTHER = {"a": "b", "b": "a"}
LONG_EXAMPLES = 2000
SETTLE_SECONDS = 100.0
"""More than idle, the longest young pause and a few attempts."""


@dataclass
class Expectation:
    """The reference model."""

    up: dict[str, bool] = field(default_factory=lambda: {"a": True, "b": True})
    pq: dict[str, str] = field(default_factory=lambda: {"a": "required", "b": "required"})
    knows: dict[str, bool] = field(default_factory=lambda: {"a": True, "b": True})
    cut: bool = False

    def connected(self) -> bool:
        offers = {"required": {1}, "prefer": {1, 2}, "off": {2}}
        compatible = offers[self.pq["a"]] & offers[self.pq["b"]]
        return all(self.up.values()) and all(self.knows.values()) and bool(compatible) and not self.cut

    def post_quantum(self) -> bool:
        return "off" not in self.pq.values()


class PairMachine(RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 2**16), scheme=st.sampled_from(["udp", "tcp"]), both=st.booleans(), nat=st.booleans())
    def begin(self, seed: int, scheme: str, both: bool, nat: bool) -> None:
        self.model = Expectation()
        self.network = Network(seed, latency=0.02, jitter=0.01)
        self.nat: Nat | None = self.network.nat(HOSTS["a"], "192.0.2.200") if nat and scheme == "udp" and not both else None
        short = {"idle": 20.0, "rotate_after": 30.0}
        self.pair = Pair(self.network, scheme=scheme, both=both, keepalive=3.0, a=short, b=short)
        self.sent: dict[str, list[bytes]] = {"a": [], "b": []}
        self.received: dict[str, list[bytes]] = {"a": [], "b": []}
        self.number = 0

    def host(self, side: str) -> SimulatedHost:
        return self.pair.a if side == "a" else self.pair.b

    def collect(self) -> None:
        for side in "ab":
            self.received[side] += [body for _, body in self.host(side).received]
            self.host(side).received.clear()

    @rule(seconds=st.sampled_from([0.01, 0.3, 2.0, 7.0, 40.0]))
    def wait(self, seconds: float) -> None:
        self.network.run(seconds)

    @rule(side=SIDES)
    def send(self, side: str) -> None:
        if self.model.up[side]:
            self.number += 1
            body = b"%d" % self.number
            if self.host(side).send(OTHER[side], body):
                self.sent[side].append(body)

    @rule(loss=st.sampled_from([0.0, 0.1, 0.4]), repeats=st.sampled_from([0.0, 0.3]), jitter=st.sampled_from([0.01, 0.5]))
    def weather(self, loss: float, repeats: float, jitter: float) -> None:
        self.network.loss, self.network.repeats, self.network.jitter = loss, repeats, jitter

    @rule()
    def cut_or_mend(self) -> None:
        self.model.cut = not self.model.cut
        (self.network.take_down if self.model.cut else self.network.bring_up)(HOSTS["b"])

    @rule(side=SIDES, politely=st.booleans())
    def stop_or_start(self, side: str, politely: bool) -> None:
        self.collect()
        if self.model.up[side]:
            if politely:
                self.host(side).shutdown()
            self.host(side).kill()
        else:
            setattr(self.pair, side, self.pair.start(side))
        self.model.up[side] = not self.model.up[side]

    @rule(side=SIDES, pq=st.sampled_from(["required", "prefer", "off"]))
    def change_policy(self, side: str, pq: str) -> None:
        self.model.pq[side] = pq
        self.change(side, pq=pq)

    @rule(side=SIDES)
    def forget_or_learn_peer(self, side: str) -> None:
        self.model.knows[side] = not self.model.knows[side]
        kept = self.pair.__dict__.setdefault("kept", dict(self.pair.peers))
        self.pair.peers[side] = kept[side] if self.model.knows[side] else ()
        if self.model.up[side] and self.model.knows[side]:
            self.host(side).add_peer(*kept[side])
        elif self.model.up[side]:
            self.host(side).drop_peer(OTHER[side])

    def change(self, side: str, **changes: object) -> None:
        self.pair.settings[side] = replace(self.pair.settings[side], **changes)  # type: ignore[arg-type]
        if self.model.up[side]:
            self.host(side).update(self.pair.settings[side])

    @rule(side=SIDES)
    def lose_keys(self, side: str) -> None:
        if self.model.up[side]:
            self.host(side).node.handle_keys_lost(self.network.now)
            self.host(side).pump()

    @rule(side=SIDES)
    def stall(self, side: str) -> None:
        for index in list(self.host(side).node.sessions) if self.model.up[side] else []:
            self.host(side).node.handle_stalled(index, self.network.now)
            self.host(side).pump()

    @rule()
    def break_streams(self) -> None:
        self.network.close_streams(HOSTS["a"])

    @precondition(lambda self: self.nat is not None)
    @rule()
    def router_forgets(self) -> None:
        assert self.nat is not None
        self.nat.rebind()

    @invariant()
    def nothing_is_invented_or_repeated(self) -> None:
        self.collect()
        for side in "ab":
            assert len(set(self.received[side])) == len(self.received[side])
            assert set(self.received[side]) <= set(self.sent[OTHER[side]])

    @invariant()
    def tables_agree(self) -> None:
        for side in "ab":
            node = self.host(side).node
            shared = node._shared
            known = set(shared.sessions) | set(node._connecting._initiations) | set(node._answering._answers)
            assert shared.indexes == known
            for link in shared.links.values():
                assert link.users <= known
            for peer in shared.peers.values():
                assert peer.session is None or shared.sessions[peer.session].state is SessionState.ACTIVE
                assert peer.initiation is None or peer.initiation in node._connecting._initiations
            assert set(self.host(side).records) == set(shared.sessions)
            assert self.host(side).drops["no-path"] == 0
            assert node._reassembly.held_bytes <= 1 << 20

    def teardown(self) -> None:
        if not hasattr(self, "model"):
            return
        self.weather(0.0, 0.0, 0.01)
        self.network.run(SETTLE_SECONDS)
        self.tables_agree()
        if not self.model.connected():
            for side in "ab":
                assert not (self.model.up[side] and self.host(side).sending), f"{side} believes in a session"
            return
        self.collect()
        for side in "ab":
            assert self.host(side).connected(OTHER[side]), f"{side} is not connected"
        assert self.pair.session("a").session_id == self.pair.session("b").session_id
        assert self.pair.session("a").pq is self.model.post_quantum()
        before = {side: len(self.received[side]) for side in "ab"}
        for _ in range(400):  # a renewal is in here, and it loses nothing
            self.send("a")
            self.send("b")
            self.network.run(0.1)
        self.network.run(1.0)
        self.nothing_is_invented_or_repeated()
        assert {side: len(self.received[side]) - before[side] for side in "ab"} == {"a": 400, "b": 400}


TestPair = PairMachine.TestCase
TestPair.settings = settings(
    settings.default,
    max_examples=min(settings.default.max_examples, LONG_EXAMPLES),
    stateful_step_count=30,
    suppress_health_check=list(HealthCheck),
)
