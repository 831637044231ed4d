from __future__ import annotations

import pytest

from appliance.errors import LocalFault, PeerFault
from appliance.wire import control
from appliance.wire.control import MAX_CONTROL_BYTES, ControlMessage


def test_a_message_survives() -> None:
    message = ControlMessage("observed", {"endpoint": "udp://198.51.100.1:8443", "n": [1, 2]})
    assert control.decode(control.encode(message)) == message


def test_a_message_has_a_longest_length() -> None:
    with pytest.raises(LocalFault):
        control.encode(ControlMessage("big", {"text": "x" * MAX_CONTROL_BYTES}))
    with pytest.raises(PeerFault, match="too-long"):
        control.decode(b" " * (MAX_CONTROL_BYTES + 1))


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"1", b"{}", b'{"kind":""}', b'{"kind":1}', b'{"kind":"' + b"x" * 65 + b'"}', b"[" * 16000],
)
def test_anything_else_is_malformed(body: bytes) -> None:
    with pytest.raises(PeerFault, match="malformed"):
        control.decode(body)
