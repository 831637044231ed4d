"""A small run of the measurement tells a figure of each deed, and what a change sends does not grow with the peers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from appliance.runtime.workers.telling import Outbox
from tests.perf.peer_events import BARS, measure


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Kinds of the orders that went to the worker."""
    kinds: list[str] = []
    put = Outbox.put

    def noted(self: Outbox, order: Any) -> None:
        kinds.append(type(order).__name__)
        put(self, order)

    monkeypatch.setattr(Outbox, "put", noted)
    return kinds


def test_a_member_and_its_session_are_a_handful_of_orders_among_any_number_of_peers(sent: list[str]) -> None:
    counts = []
    for peers in (10, 2000):
        sent.clear()
        figures = asyncio.run(measure(peers, 1, 3))
        assert set(figures["ms"]) == set(BARS)
        tables = [kind for kind in sent[sent.index("Overlay") :] if kind in {"Peers", "Routes", "PeersGone", "Overlay"}]
        counts.append(tables)
    assert counts[0] == counts[1] == ["Overlay", *["Peers", "Routes", "Routes", "PeersGone"] * 3]
