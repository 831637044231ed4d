"""What the workers hear of strangers: a name without any prefix, for as long as there may be a session."""

from __future__ import annotations

from types import SimpleNamespace

from appliance.protocol.events import StrangerCame, StrangerGone
from appliance.runtime.node.strangers import StrangerNews, is_stranger
from appliance.testing.pair import identity_of
from tests.rigs.tables import Tables

NAME = identity_of("x").fingerprint


def test_workers_know_a_stranger_by_name_and_with_no_prefix() -> None:
    worker, told = Tables(), []
    news = StrangerNews(SimpleNamespace(strangers=(NAME,)), lambda: worker)  # type: ignore[arg-type, return-value]
    news.listener = told.append
    news.tell(StrangerCame(NAME))
    assert worker.peers == {NAME: []}
    late = Tables()
    news.introduce(late)  # type: ignore[arg-type]
    assert late.peers == {NAME: []}
    news.tell(StrangerGone(NAME, ""))
    assert worker.peers == {}
    assert told == [StrangerCame(NAME), StrangerGone(NAME, "")]


def test_between_two_workers_it_is_only_told_on() -> None:
    news = StrangerNews(SimpleNamespace(strangers=()), lambda: None)  # type: ignore[arg-type]
    news.tell(StrangerCame(NAME))


def test_no_name_of_a_peer_is_a_strangers() -> None:
    assert is_stranger(NAME)
    assert not any(map(is_stranger, ("laptop", "llp1", "llp1-x")))
