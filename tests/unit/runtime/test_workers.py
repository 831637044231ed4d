"""Several workers as one: what goes to which of them, and what the others hear."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest

from appliance.api.monitoring import ClassFigures
from appliance.planning.cores import workers as number_of_workers
from appliance.runtime.workers.pool import WorkerPool
from appliance.runtime.workers.telling import SessionKeys

LISTENER = 1
NEAR, FAR = ("192.0.2.1", 1000), ("192.0.2.2", 2000)
PREFIX = ipaddress.ip_network("10.8.0.1/32")


class Member:
    """Keeps what it was told."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.told: list[tuple[Any, ...]] = []
        self.joined: dict[int, int] = {}

    def join(self, worker: int, end: socket.socket) -> None:
        self.joined[worker] = end.fileno()

    def records(self, session: int) -> tuple[int, int]:
        return session, self.pid

    packets = records

    def session_counters(self, session: int) -> tuple[int, int]:
        return self.records(session)

    def local_of(self, _link: int, _source: object) -> str:
        return "203.0.113.2"

    def drops(self) -> dict[str, int]:
        return {"congested": self.pid}

    def classes(self) -> dict[str, ClassFigures]:
        return {"bulk": ClassFigures(1, 1000, 2, 3, self.pid)}

    def add_link(
        self, link: int, _sock: object, _driver: str, _options: object, *, deaf: bool = False, remote: object = None
    ) -> None:
        self.told.append(("add_link", link, "deaf") if deaf else ("add_link", link))

    def add_session(self, keys: SessionKeys, *, link: int, to: object, rotate_bytes: int, use: bool) -> None:
        self.told.append(("add_session", keys.session, link, to, use))

    def move_session(self, session: int, *, link: int, to: object, use: bool) -> None:
        self.told.append(("move_session", session, link, to, use))

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments: self.told.append((name, *arguments))

    def heard(self) -> list[tuple[Any, ...]]:
        """What it was told since the last time."""
        told, self.told = self.told, []
        return told


class Knowledge:
    """Tells two words instead of all tables."""

    def introduce(self, worker: Any) -> None:
        worker.heard_of("peers")

    def begin(self, worker: Any) -> None:
        worker.heard_of("routes")


def team(number: int = 2) -> tuple[WorkerPool, list[Any]]:
    workers, members = WorkerPool(number, Knowledge()), [Member(100 + each) for each in range(number)]
    for each, member in enumerate(members):
        workers.put(each, member)  # type: ignore[arg-type]
    for member in members:
        member.heard()
    return workers, members


def listen(workers: WorkerPool, members: list[Any]) -> None:
    add(workers, LISTENER, remote=None)
    for member in members:
        member.heard()


def add(workers: WorkerPool, link: int, remote: tuple[str, int] | None = FAR) -> None:
    with socket.socket() as sock:
        workers.add_link(link, sock, "x:Driver", {}, listener=link == LISTENER, remote=remote)


def begin(
    workers: WorkerPool, session: int, peer: str, link: int, to: tuple[str, int] | None = None, *, use: bool = True
) -> None:
    keys = SessionKeys(session, session, peer, "suite", b"", b"")
    workers.add_session(keys, link=link, to=to, rotate_bytes=1, use=use)


@pytest.mark.parametrize(
    ("wanted", "cores", "expected"),
    [
        ("auto", 1, 1),
        ("auto", 2, 1),
        ("auto", 3, 1),
        ("auto", 4, 2),
        ("auto", 6, 3),
        ("auto", 8, 4),
        ("auto", 64, 4),
        (1, 64, 1),
        (2, 1, 2),
        (16, 8, 16),
    ],
)
def test_how_many_there_are(wanted: Any, cores: int, expected: int) -> None:
    assert number_of_workers(wanted, cores) == expected


def test_one_worker_is_told_everything_and_nothing_more() -> None:
    workers, [only] = team(1)
    add(workers, 2)
    begin(workers, 7, "a", 2)
    workers.move_session(7, link=2, to=None)
    workers.send_message(7, 5, 0, b"x")
    workers.stop_sending(7)
    workers.drop_session(7)
    workers.drop_link(2)
    assert only.heard() == [
        ("add_link", 2),
        ("add_session", 7, 2, None, True),
        ("move_session", 7, 2, None, True),
        ("send_message", 7, 5, 0, b"x"),
        ("stop_sending", 7),
        ("drop_session", 7),
        ("drop_link", 2),
    ]


def test_links_go_to_the_worker_with_the_fewest_and_equals_take_turns() -> None:
    workers, members = team(3)
    for link in range(10, 17):
        add(workers, link)
    assert [[told[1] for told in member.heard()] for member in members] == [[10, 13, 16], [11, 14], [12, 15]]
    workers.drop_link(14)
    add(workers, 20)
    assert members[1].heard() == [("drop_link", 14), ("add_link", 20)]


def test_a_session_lives_where_its_link_is_and_the_others_hear_of_it() -> None:
    workers, [first, second] = team()
    add(workers, 2)
    begin(workers, 7, "a", 2, use=False)
    assert first.heard() == [("add_link", 2), ("add_session", 7, 2, None, False)]
    assert second.heard() == [("session_elsewhere", 7, 0)]
    workers.move_session(7, link=2, to=None, use=True)
    workers.move_session(7, link=2, to=None, use=True)
    assert second.heard() == [("peer_elsewhere", "a", 0)], "once"
    workers.drop_session(7)
    assert second.heard() == [("session_elsewhere", 7, None), ("peer_elsewhere", "a", None)]
    assert workers.records(7) == (0, 0)
    assert workers.session_counters(7) is None


def test_a_listener_is_read_by_the_first_and_written_by_all() -> None:
    workers, [first, second] = team()
    add(workers, LISTENER, remote=None)
    assert first.heard() == [("add_link", LISTENER)]
    assert second.heard() == [("add_link", LISTENER, "deaf")]
    workers.send_packet(LISTENER, FAR, b"handshake")
    assert (len(first.heard()), second.heard()) == (1, [])
    workers.shape_link(LISTENER, 1200)
    assert first.heard() == second.heard() == [("shape_link", LISTENER, 1200)]
    assert workers.local_of(LISTENER, FAR) == "203.0.113.2"


def test_sessions_over_a_listener_are_spread_and_get_their_own_sockets_beside_them() -> None:
    workers, members = team()
    listen(workers, members)
    begin(workers, 7, "a", LISTENER, NEAR)
    begin(workers, 8, "b", LISTENER, FAR)
    assert (workers.records(7), workers.records(8)) == ((7, 100), (8, 101))
    for member in members:
        member.heard()
    add(workers, 3, remote=FAR)
    add(workers, 2, remote=NEAR)
    assert [member.heard() for member in members] == [[("add_link", 2)], [("add_link", 3)]]
    workers.move_session(8, link=3, to=None)
    assert members[1].heard() == [("move_session", 8, 3, None, True)]


def test_a_peers_next_session_over_a_listener_is_where_the_one_before_is() -> None:
    workers, members = team()
    listen(workers, members)
    for session in range(7, 11):
        begin(workers, session, "a", LISTENER, ("192.0.2.1", session))
    assert {workers.records(session)[1] for session in range(7, 11)} == {100}


def test_a_session_does_not_move_to_a_link_of_another_worker() -> None:
    workers, [first, second] = team()
    add(workers, 2)
    add(workers, 3)
    begin(workers, 7, "a", 2)
    first.heard()
    workers.move_session(7, link=3, to=None)
    assert first.heard() == [("move_session", 7, 2, None, True)], "its records go where they went"
    assert ("move_session", 7, 3, None, True) not in second.heard()


def test_a_peer_that_comes_by_a_link_of_another_worker_is_that_workers_from_then_on() -> None:
    workers, [first, second] = team()
    add(workers, 2)
    add(workers, 3)
    begin(workers, 7, "a", 2)
    begin(workers, 8, "a", 3)
    assert first.heard()[-2:] == [("session_elsewhere", 8, 1), ("peer_elsewhere", "a", 1)]
    second.heard()
    workers.drop_session(7)
    assert second.heard() == [("session_elsewhere", 7, None)], "the peer's packets go by the other session"


def test_a_dead_workers_sessions_and_links_are_nobodys() -> None:
    workers, [first, second] = team()
    listen(workers, [first, second])
    add(workers, 2)
    add(workers, 3)
    begin(workers, 7, "a", 2)
    begin(workers, 8, "b", 3)
    first.heard()
    assert workers.lose(1) is second
    assert first.heard() == [("session_elsewhere", 8, None), ("peer_elsewhere", "b", None)]
    assert workers.pids == (100,)
    assert 7 in workers.sessions
    assert 8 not in workers.sessions
    assert 2 in workers.complete_links
    assert 3 not in workers.complete_links
    assert LISTENER in workers.complete_links
    second.heard()
    workers.send_message(8, 5, 0, b"x")
    workers.drop_session(8)
    workers.drop_link(3)
    assert second.heard() == []
    add(workers, 4)
    assert first.heard() == [("add_link", 4)], "the living do what there is to do"


def test_the_next_worker_hears_what_the_others_know_and_then_of_routes() -> None:
    workers, [first, second] = team()
    listen(workers, [first, second])
    workers.begin()
    assert first.heard() == second.heard() == [("heard_of", "routes")]
    add(workers, 2)
    begin(workers, 7, "a", 2)
    workers.lose(1)
    third = Member(102)
    workers.put(1, third)  # type: ignore[arg-type]
    assert third.heard() == [
        ("heard_of", "peers"),
        ("session_elsewhere", 7, 0),
        ("peer_elsewhere", "a", 0),
        ("heard_of", "routes"),
    ]
    assert set(third.joined) == {0}
    assert set(first.joined) == {1}
    assert LISTENER not in workers.complete_links
    add(workers, LISTENER, remote=None)
    assert third.heard() == [("add_link", LISTENER, "deaf")]
    assert LISTENER in workers.complete_links


def test_with_nobody_alive_nothing_is_told_and_nothing_is_kept() -> None:
    workers, [only] = team(1)
    workers.lose(0)
    add(workers, 2)
    begin(workers, 7, "a", 2)
    workers.send_packet(2, None, b"x")
    assert only.heard() == []
    assert workers.local_of(2, FAR) is None
    assert 2 not in workers.complete_links
    assert 7 not in workers.sessions


def test_drops_are_added_up() -> None:
    workers, _ = team(3)
    assert workers.drops() == {"congested": 303}


def test_all_are_told_what_changes_in_the_tables() -> None:
    workers, members = team()
    workers.put_peers(iter([("a", (PREFIX,), 0)]))
    workers.change_routes(iter([(PREFIX, "a")]), iter([]))
    workers.drop_peers(["b"])
    workers.set_qos({"rules": []})
    for member in members:
        assert member.heard() == [
            ("put_peers", [("a", (PREFIX,), 0)]),
            ("change_routes", [(PREFIX, "a")], []),
            ("drop_peers", ["b"]),
            ("set_qos", {"rules": []}),
        ]


def test_classes_are_counted_together() -> None:
    workers, _ = team()
    assert workers.classes() == {"bulk": ClassFigures(2, 2000, 4, 6, 100 + 101)}
