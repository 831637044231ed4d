"""The conformance suite every transport passes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.api.transport import TransportKind
from appliance.testing.conformance.transport import TransportConformance
from appliance_transport_quic.plugin import QUIC


class TestQuic(TransportConformance):
    hosts = ("127.0.0.1",)  # each pair is two processes; test_foreign.py has a link over IPv6

    def kind(self) -> TransportKind:
        return QUIC

    def settings(self) -> Mapping[str, Any]:
        return {"verify": False}
