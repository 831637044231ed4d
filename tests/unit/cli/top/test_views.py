from __future__ import annotations

from typing import Any

import pytest

from appliance.cli.top.snapshot import Look, snapshot
from appliance.cli.top.views import DROPS, JOBS, PEERS, PROCESSES, VIEWS, chosen, details, head, printable
from tests.unit.cli.top.node import peer, session

COLUMNS = [column.title for column in PEERS.columns]


def found(**more: Any) -> dict[str, Any]:
    sessions = [session("office"), session("hub", session_id="h")]
    busy = [session("office", rx_bytes=100), session("hub", session_id="h", rx_bytes=9000)]
    peers = [peer("office"), peer("phone", connected=False, last_error="timed out", rtt_ms=None), peer("hub", rtt_ms=1.5)]
    metrics = {"name": "gateway", "version": "1", "uptime": 65.0} | more
    health = {"ready": True, "problems": more.get("problems", {})}
    return snapshot(
        Look(0, "", health, metrics | {"sessions": sessions, "uptime": 64.0}, peers),
        Look(1, "", health, metrics | {"sessions": busy}, peers),
    )


def names(order: str | None = None, words: str = "", *, backwards: bool = False) -> list[str]:
    column = None if order is None else COLUMNS.index(order)
    return [each["name"] for each in chosen(PEERS, PEERS.rows(found()), words, column, backwards=backwards)]


def test_rows_come_as_the_node_has_them_until_they_are_ordered() -> None:
    assert names() == ["office", "phone", "hub"]
    assert names(backwards=True) == ["hub", "phone", "office"]
    assert names("peer") == ["hub", "office", "phone"]


def test_of_numbers_the_largest_come_first_and_what_is_not_known_last() -> None:
    assert names("in") == ["hub", "office", "phone"]
    assert names("rtt") == ["office", "hub", "phone"]
    assert names("rtt", backwards=True) == ["hub", "office", "phone"]


def test_a_filter_wants_all_of_its_words_wherever_they_stand() -> None:
    assert names(words="AWAY timed") == ["phone"]
    assert names(words="away office") == []
    assert names(words="  ") == ["office", "phone", "hub"]


def test_cells_are_texts_for_people() -> None:
    assert PEERS.cells(found()["peers"][2]) == [
        "hub",
        "connected",
        "direct",
        "1.5 ms",
        "9.0 kB/s",
        "0 B/s",
        "udp://192.0.2.1:8443",
    ]
    assert PEERS.cells(found()["peers"][1])[-1] == "timed out"


@pytest.mark.parametrize("order", range(max(len(view.columns) for view in VIEWS)))
def test_every_view_can_be_ordered_by_every_column(order: int) -> None:
    process = {
        "name": "control",
        "pid": 1,
        "cpu": 1.0,
        "memory": None,
        "descriptors": None,
        "most_descriptors": None,
        "waited": 0.5,
    }
    document = found(drops={"a": 1, "b": 2}, processes=[process, process | {"pid": 2, "memory": 5}])
    jobs = [{"id": str(each), "template": "t", "state": "failed", "error": {"message": "no"}} for each in (1, 2)]
    document["jobs"] = snapshot(None, Look(0, "", {}, {}, [], jobs))["jobs"]
    for view in (each for each in VIEWS if order < len(each.columns)):
        rows = chosen(view, view.rows(document), "", order, backwards=False)
        assert len(rows) == len(view.rows(document)) >= 2
        assert all(len(view.cells(row)) == len(view.columns) for row in rows)


def test_who_relays_is_named() -> None:
    relayed = peer("laptop", path="relayed", endpoint="relay://llp1-hub")
    shown = snapshot(None, Look(0, "", {}, {}, [peer("hub"), relayed]))["peers"][1]
    assert PEERS.cells(shown)[-1] == "by hub"
    assert dict(details(shown))["relay"] == "hub"


def test_a_view_without_rows() -> None:
    assert not JOBS.rows(found())
    assert not DROPS.rows(found())
    assert not PROCESSES.rows(found())


def test_the_head_says_how_the_node_is() -> None:
    lines = head(found(problems={"worker": "it died"}, drops={"a": 5}))
    assert lines[0] == "gateway  degraded  up 1min 5s  version 1"
    assert lines[1] == "in 9.1 kB/s  out 0 B/s  sessions 2  peers 2/3  drops 0/s"
    assert lines[-1] == "worker: it died"


def test_nothing_that_a_terminal_would_obey_gets_through() -> None:
    assert printable("\x1b[2Jevil\r\n\u202e") == "\N{REPLACEMENT CHARACTER}[2Jevil" + "\N{REPLACEMENT CHARACTER}" * 3
    evil = snapshot(None, Look(0, "", {}, {"name": "\x1b]0;x\x07"}, [peer("\x1b[31mred", last_error="\x1b[5m")]))
    shown = [*head(evil), *PEERS.cells(evil["peers"][0]), *(value for _, value in details(evil["peers"][0]))]
    assert all(text.isprintable() for text in shown)


def test_details_say_what_is_known_and_nothing_else() -> None:
    told = dict(details(found()["peers"][0]))
    assert told["  suite"] == "aes-256-gcm, post-quantum"
    assert told["  received"] == "100 B in 0 packets"
    assert "certificate until" not in told
    assert "session" not in dict(details(found()["peers"][1]))
