from __future__ import annotations

import pytest

from appliance.errors import PeerFault
from appliance.wire import liveness
from appliance.wire.liveness import Ack


def test_bodies_survive_and_longer_ones_are_read_as_far_as_known() -> None:
    assert liveness.decode_keep_alive(liveness.encode_keep_alive(7) + b"more") == 7
    assert liveness.decode_ack(liveness.encode_ack(Ack(7, 2**40)) + b"two") == Ack(7, 2**40)
    assert liveness.decode_ack(liveness.encode_ack(Ack(7, 2**40, 12_345)) + b"more") == Ack(7, 2**40, 12_345)
    assert liveness.decode_ack(liveness.encode_ack(Ack(0, 1)) + b"\xff" * 4).lost == liveness.MILLION, "never more than all"


def test_an_empty_keep_alive_wants_nothing_back() -> None:
    assert liveness.decode_keep_alive(b"") == 0


def test_short_bodies_are_malformed() -> None:
    with pytest.raises(PeerFault, match="malformed"):
        liveness.decode_keep_alive(bytes(7))
    with pytest.raises(PeerFault, match="malformed"):
        liveness.decode_ack(bytes(15))
