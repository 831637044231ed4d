"""The switchboard in virtual time: who is here, who keeps an id, and who is sent away."""

from __future__ import annotations

import json
from typing import Any

import pytest

from appliance_server_signalling import switchboard
from appliance_server_signalling.switchboard import (
    GOING_AWAY,
    HELD_SECONDS,
    HELLO_SECONDS,
    MOST_STRIKES,
    NOT_REGISTERED,
    POLICY,
    REPLACED,
    SILENT,
    Appeared,
    Ask,
    Close,
    Link,
    Rules,
    Seek,
    Send,
    Switchboard,
    Vanished,
)
from tests.rigs.holders import EcdsaHolder, Ed25519Holder, Holder

SDP = "v=0\r\n"


class Exchange:
    """A switchboard, its clock, and what it did."""

    def __init__(self, **rules: Any) -> None:
        self.now = 0.0
        self.drawn = 0
        self.board = Switchboard(Rules(**{"messages": 20.0, "listing": True, "token": b""} | rules), self._random)
        self.told: list[tuple[Link, dict[str, Any]]] = []
        self.asked: list[Link] = []
        self.sought: list[str] = []
        """Who was looked for elsewhere, in vain."""
        self.closed: dict[Link, int] = {}
        self.seen: list[Appeared | Vanished] = []

    def _random(self, count: int) -> bytes:
        self.drawn += 1
        return bytes([self.drawn]) * count

    def join(self, address: str = "192.0.2.1") -> Link:
        return self.board.connected("host:3001", address, self.now)

    def say(self, link: Link, **message: Any) -> dict[str, Any] | None:
        """What the link is told next, if it is told something."""
        return self.say_text(link, json.dumps(message))

    def say_text(self, link: Link, text: str) -> dict[str, Any] | None:
        self.told.clear()
        if self.board.heard(link, len(text), self.now):
            self.board.said(link, text, self.now)
        self.act()
        return next((told for to, told in self.told if to is link), None)

    def act(self) -> None:
        effects, self.board.effects = self.board.effects, []
        for effect in effects:
            match effect:
                case Send(link, text):
                    self.told.append((link, json.loads(text)))
                case Ask(link):
                    self.asked.append(link)
                case Seek(link, to, text):
                    self.sought.append(to)
                    self.board.missed(link, to, text)
                    self.act()
                case Close(link, code, _):
                    self.closed[link] = code
                    self.board.gone(link, self.now)
                    self.act()
                case other:
                    self.seen.append(other)

    def pass_seconds(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += 1
            self.board.due(self.now)
            self.act()

    def registered(self, name: str, address: str = "192.0.2.1") -> Link:
        link = self.join(address)
        assert self.say(link, type="register", id=name) == {"type": "registered", "id": name}
        return link

    def proved(self, name: str, holder: Holder, host: str = "host:3001") -> tuple[Link, dict[str, Any] | None]:
        link = self.join()
        challenge = self.say(link, type="register", id=name, key=holder.key)
        assert challenge is not None
        assert challenge["type"] == "challenge"
        return link, self.say(link, type="prove", signature=holder.signed(host, name, challenge["nonce"]))


def code_of(told: dict[str, Any] | None) -> str:
    assert told is not None
    assert told["type"] == "error"
    assert told["hint"]
    return str(told["code"])


def test_what_is_for_a_peer_arrives_there_with_the_name_of_the_sender() -> None:
    here = Exchange()
    alice, bob = here.registered("alice"), here.registered("bob")
    here.say(alice, type="offer", to="bob", sdp=SDP, session="7")
    assert here.told == [(bob, {"type": "offer", "from": "alice", "sdp": SDP, "session": "7"})]
    here.say(bob, type="answer", to="alice", sdp=SDP)
    assert here.told == [(alice, {"type": "answer", "from": "bob", "sdp": SDP})]
    here.say(bob, type="candidate", to="alice", candidate=None)
    assert here.told == [(alice, {"type": "candidate", "from": "bob", "candidate": None})]


def test_who_is_not_here_is_told_as_that() -> None:
    here = Exchange()
    told = here.say(here.registered("alice"), type="offer", to="nobody", sdp=SDP)
    assert code_of(told) == "unknown_peer"
    assert told is not None
    assert told["to"] == "nobody"
    assert here.sought == ["nobody"], "at other members, too"


@pytest.mark.parametrize("message", [{"type": "offer", "to": "b", "sdp": SDP}, {"type": "discover"}])
def test_who_is_nobody_says_nothing_to_others(message: dict[str, Any]) -> None:
    here = Exchange()
    here.registered("b")
    assert code_of(here.say(here.join(), **message)) == "not_registered"


def test_peers_are_listed_without_the_one_who_asks_and_a_known_id_is_looked_up() -> None:
    here = Exchange()
    alice, *_ = (here.registered(name) for name in ("alice", "bob", "carol"))
    assert here.say(alice, type="discover") == {"type": "peers", "peers": ["bob", "carol"]}
    assert here.say(alice, type="discover", limit=1) == {"type": "peers", "peers": ["bob"]}
    assert here.say(alice, type="discover", id="carol") == {"type": "peers", "peers": ["carol"]}
    assert here.say(alice, type="discover", id="dave") == {"type": "peers", "peers": []}


def test_where_the_profile_says_so_only_known_ids_are_told() -> None:
    here = Exchange(listing=False)
    alice, _ = here.registered("alice"), here.registered("bob")
    assert code_of(here.say(alice, type="discover")) == "not_listed"
    assert here.say(alice, type="discover", id="bob") == {"type": "peers", "peers": ["bob"]}


def test_an_id_that_is_taken_is_refused_and_free_when_its_peer_goes() -> None:
    here = Exchange()
    first = here.registered("alice")
    second = here.join()
    assert code_of(here.say(second, type="register", id="alice")) == "id_taken"
    assert here.closed == {}, "the one who was first stays"
    here.board.gone(first, here.now)
    here.act()
    assert here.say(second, type="register", id="alice") == {"type": "registered", "id": "alice"}
    assert here.seen == [Appeared("alice"), Vanished("alice"), Appeared("alice")]
    assert code_of(here.say(second, type="register", id="other")) == "already_registered"


@pytest.mark.parametrize("holder", [Ed25519Holder(), EcdsaHolder()], ids=["ed25519", "p256"])
def test_the_holder_of_the_key_takes_his_id_with_him_and_nobody_else_gets_it(holder: Holder) -> None:
    here = Exchange()
    old, told = here.proved("alice", holder)
    assert told == {"type": "registered", "id": "alice"}
    assert code_of(here.say(here.join(), type="register", id="alice")) == "id_taken"
    assert code_of(here.proved("alice", Ed25519Holder())[1]) == "id_taken"
    new, told = here.proved("alice", holder)
    assert told == {"type": "registered", "id": "alice"}
    assert here.closed == {old: REPLACED}
    assert here.board.peers == 1
    here.board.gone(new, here.now)
    here.act()
    assert code_of(here.say(here.join(), type="register", id="alice")) == "id_taken", "it is held for its holder"
    here.pass_seconds(int(HELD_SECONDS) - 1)
    assert here.board.held == 1
    here.pass_seconds(1)
    assert here.board.held == 0
    here.registered("alice")


def test_an_id_without_a_key_is_not_taken_over_by_a_key() -> None:
    here = Exchange()
    here.registered("alice")
    assert code_of(here.proved("alice", Ed25519Holder())[1]) == "id_taken"


def test_a_proof_is_good_once_for_this_host_and_for_the_key_that_was_named() -> None:
    here, holder = Exchange(), Ed25519Holder()
    assert code_of(here.proved("alice", holder, host="evil:3001")[1]) == "wrong_proof"
    link = here.join()
    assert code_of(here.say(link, type="prove", signature=holder.signed("host:3001", "alice", ""))) == "no_challenge"
    challenge = here.say(link, type="register", id="alice", key=holder.key)
    assert challenge is not None
    proof = holder.signed("host:3001", "alice", challenge["nonce"])
    assert here.say(link, type="register", id="alice", key=holder.key) != challenge, "another one each time"
    assert code_of(here.say(link, type="prove", signature=proof)) == "wrong_proof"
    assert code_of(here.say(link, type="prove", signature=proof)) == "no_challenge"
    assert code_of(here.say(link, type="register", id="alice", key="A" * 60)) == "wrong_key"
    assert here.board.peers == 0


def test_what_is_held_is_bounded_and_the_oldest_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switchboard, "MOST_HELD", 2)
    here = Exchange(messages=10_000.0)
    for name in ("a", "b", "c"):
        here.board.gone(here.proved(name, Ed25519Holder())[0], here.now)
    assert here.board.held == 2
    here.registered("a")
    assert code_of(here.say(here.join(), type="register", id="c")) == "id_taken"


def test_a_token_is_wanted_where_the_profile_has_one() -> None:
    here = Exchange(token=b"open sesame")
    link = here.join()
    assert code_of(here.say(link, type="register", id="alice")) == "wrong_token"
    assert code_of(here.say(link, type="register", id="alice", token="open")) == "wrong_token"
    assert here.say(link, type="register", id="alice", token="open sesame") == {"type": "registered", "id": "alice"}


def test_a_ping_is_answered_and_a_pong_is_not() -> None:
    here = Exchange()
    link = here.join()
    assert here.say(link, type="ping") == {"type": "pong"}
    assert here.say(link, type="pong") is None


def test_every_half_minute_each_is_asked_and_who_is_silent_is_gone_within_one() -> None:
    here = Exchange()
    alice, bob = here.registered("alice"), here.registered("bob")
    for _ in range(300):
        asked = len(here.asked)
        here.pass_seconds(1)
        if alice in here.asked[asked:]:
            assert here.board.heard(alice, 0, here.now)
    assert here.asked.count(alice) == 10
    assert here.closed == {bob: SILENT}
    assert here.board.connections == 1
    here.closed.clear()
    before = here.now
    while alice not in here.closed:
        here.pass_seconds(1)
    assert here.now - before <= 60


def test_a_crowd_that_comes_at_once_is_not_asked_at_once() -> None:
    here = Exchange(messages=1000.0)
    links = [here.registered(f"peer-{number}") for number in range(300)]
    here.pass_seconds(1)
    assert len(here.asked) == 10
    here.pass_seconds(29)
    assert sorted(map(id, here.asked)) == sorted(map(id, links))


def test_who_does_not_register_is_sent_away() -> None:
    here = Exchange()
    link, alice = here.join(), here.registered("alice")
    here.pass_seconds(int(HELLO_SECONDS))
    assert here.closed == {link: NOT_REGISTERED}
    assert alice not in here.closed


def test_who_says_too_much_is_told_so_and_then_sent_away() -> None:
    here = Exchange(messages=2.0)
    link = here.registered("alice")
    told = [here.say(link, type="ping") for _ in range(15)]
    assert told == [{"type": "pong"}] * 15
    assert code_of(here.say(link, type="ping")) == "rate_limited"
    here.now += 1
    assert here.say(link, type="ping") == {"type": "pong"}
    for _ in range(MOST_STRIKES + 1):
        here.say(link, type="ping")
    assert here.closed == {link: POLICY}
    assert here.board.counted["rate_limited"] == MOST_STRIKES + 1


def test_all_behind_a_proxy_may_answer_pings_as_often_as_they_are_asked() -> None:
    here = Exchange(per_address=10_000)
    links = [here.registered(f"peer-{number}") for number in range(5000)]
    for _ in range(4):
        here.now += 30
        assert all(here.board.heard(link, 0, here.now) for link in links)


def test_where_few_messages_are_allowed_the_longest_and_a_proof_pass_too() -> None:
    here = Exchange(messages=0.1)
    assert here.proved("bob", Ed25519Holder())[1] == {"type": "registered", "id": "bob"}
    nobody = here.registered("alice", "192.0.2.2")
    here.say(nobody, type="offer", to="carol", sdp="x" * 29_000)
    assert here.sought == ["carol"]


def test_long_messages_cost_more() -> None:
    here = Exchange(messages=2.0)
    alice, _ = here.registered("alice"), here.registered("bob")
    for _ in range(2):
        assert here.say(alice, type="offer", to="bob", sdp="x" * 25_000) is None
    assert code_of(here.say(alice, type="offer", to="bob", sdp="x" * 25_000)) == "rate_limited"


def test_many_connections_of_one_address_share_what_it_may() -> None:
    here = Exchange(messages=2.0)
    crowd = [here.join("192.0.2.1") for _ in range(20)]
    other = here.join("192.0.2.2")
    told = [here.say(link, type="ping") for link in crowd for _ in range(5)]
    assert told.count({"type": "pong"}) == 50
    assert here.say(other, type="ping") == {"type": "pong"}
    for link in [*crowd, other]:
        here.board.gone(link, here.now)
        here.board.gone(link, here.now)
    assert here.board._addresses == {}, "nothing is kept of who is gone"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"type":"x"}', '{"type":"ping","more":1}', "[" * 5000, '{"type":"offer"}']
)
def test_what_is_no_message_is_refused_and_who_goes_on_is_sent_away(text: str) -> None:
    here = Exchange()
    link = here.registered("alice")
    assert code_of(here.say_text(link, text)) == "invalid_message"
    for _ in range(MOST_STRIKES):
        here.say_text(link, text)
    assert here.closed == {link: POLICY}


def test_nothing_is_left_of_those_who_went() -> None:
    here = Exchange(messages=10_000.0)
    for number in range(100):
        here.board.gone(here.registered(f"peer-{number}", f"192.0.2.{number}"), here.now)
        here.act()
    here.pass_seconds(60)
    board = here.board
    assert (board.connections, board.peers, board.held, len(board._asked._until), len(board._hello._until)) == (0, 0, 0, 0, 0)
    assert not any(board._turns)
    assert here.asked == []
    assert GOING_AWAY == 1001
