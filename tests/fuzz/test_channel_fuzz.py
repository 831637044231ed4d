"""Whatever a peer sends on whichever channels: each record is delivered or counted, nothing raises, and nothing is answered."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from rigs.dataplane import carry, pair

from appliance.dataplane import counters as layout
from appliance.dataplane.peers import Channel
from appliance.runtime.workers.data_channels import channel_pair
from appliance.wire.envelope import PacketType

OPEN, CLOSED = (2, 7, 255), (3, 4)
BODIES = st.binary(max_size=40) | st.integers(1, 65519).map(bytes)


@given(said=st.lists(st.tuples(st.sampled_from(OPEN + CLOSED) | st.integers(2, 255), BODIES), max_size=30), gone=st.booleans())
def test_each_record_is_delivered_or_counted(said: list[tuple[int, bytes]], gone: bool) -> None:
    a, b, out, back = pair()
    ends = {number: channel_pair() for number in OPEN}
    try:
        for ours, _ in ends.values():
            ours.settimeout(0)
        peer = b.world.peers["a"]
        peer.channels = {number: Channel(peer, number, 1, ours.fileno()) for number, (ours, _) in ends.items()}
        if gone:
            ends[7][1].close()
        session = a.world.peers["b"].session
        assert session is not None
        for number, body in said:
            a.outbound.message(session, PacketType.DATA, number, body)
        carry(out, b, back)
        drops = Counter(b.drops)
        assert b.world.counters[layout.CHANNEL_RX_RECORDS] + drops.total() == len(said)
        assert drops["no_channel"] == sum(number not in OPEN or (gone and number == 7 and body != b"") for number, body in said)
        assert set(drops) <= {"no_channel", "channel_full", "malformed"}
        assert b.heard.messages == b.heard.raised == back.records == []
    finally:
        for pair_of_ends in ends.values():
            for end in pair_of_ends:
                end.close()
