"""A newcomer and the member that invited it, without a session: the two ends' exporters are arguments."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.api.peer_protocol import Answer
from appliance.api.values import Endpoint
from appliance.errors import ApplianceError
from appliance.members.code import Code, Contact
from appliance.members.enrolment import (
    CERTIFICATE,
    MOST_BOOTSTRAP,
    NETWORK,
    About,
    EnrolmentFailed,
    Inviter,
    Joiner,
    read_about,
    write_about,
)
from appliance.members.invitation import Invitation, Terms, number_of
from appliance.members.invitations import Invitations, Verdict
from appliance.members.proof import Bound, Claim, joiner_proof
from appliance.protocol.identity import Identity, PublicIdentity
from appliance.testing.pair import identity_of

HOME, LAPTOP, MALLORY = map(identity_of, ("home", "laptop", "mallory"))
NOW = 1_800_000_000
HOUR = 3600
SECRET = bytes(range(16))
OWNER = identity_of("owner").public.encoded
ABOUT = About(OWNER, "home", (Contact(HOME.fingerprint, (Endpoint.parse("udp://198.51.100.7:8443"),)),))


class Member:
    """The member that invites, its disk, and its clock."""

    def __init__(self) -> None:
        self.now = NOW
        self.disk: dict[bytes, Any] = {}
        self.full = False
        """Nothing can be written."""
        self.signed: list[tuple[str, str]] = []
        self.boot()

    def boot(self) -> None:
        """Start, or start again after a crash: what is on the disk is what there is."""
        kept = [Invitation.read(document) for document in self.disk.values()]
        self.invitations = Invitations(self._keep, lambda one: self.disk.pop(one.number), kept)
        self.inviter = Inviter(self.invitations, lambda: ABOUT, self._issue, lambda issued: b"proof of " + issued)

    def invite(self, secret: bytes = SECRET, uses: int = 1, ttl: int = HOUR) -> Code:
        self.invitations.add(Invitation.of(secret, Terms("laptop", ("staff",)), self.now, self.now + ttl, uses), self.now)
        return Code(secret, ABOUT.bootstrap[0])

    def state(self) -> str:
        (invitation,) = self.invitations
        return invitation.state(self.now)

    def _keep(self, invitation: Invitation) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        self.disk[invitation.number] = invitation.document()

    def _issue(self, invitation: Invitation, identity: PublicIdentity) -> bytes:
        self.signed.append((invitation.next_name(), identity.fingerprint))
        return f"certificate {len(self.signed)}".encode()


class Meeting:
    """A session between a newcomer and the member."""

    def __init__(self, member: Member, code: Code, who: Identity = LAPTOP, *, exporter: bytes = b"e" * 32) -> None:
        self.member = member
        self.bound = Bound(b"s" * 16, exporter, who.fingerprint, HOME.fingerprint)
        self.joiner = Joiner(code, who.public, self.bound)

    def ask(self, name: str) -> tuple[Verdict, Answer | None]:
        kind, content, body = self.joiner.ask_network() if name == NETWORK else self.joiner.ask_certificate()
        return self.member.inviter.answer(kind, content, body, self.bound, self.member.now)

    def enrol(self) -> bytes:
        """All of it. Returns what the newcomer has then."""
        _, answer = self.ask(NETWORK)
        assert answer is not None
        assert self.joiner.take_network(answer) == ABOUT
        _, answer = self.ask(CERTIFICATE)
        assert answer is not None
        return answer.body


def test_who_has_the_code_gets_a_certificate() -> None:
    member = Member()
    assert Meeting(member, member.invite()).enrol() == b"proof of certificate 1"
    assert member.signed == [("laptop", LAPTOP.fingerprint)]
    assert member.state() == "used"


def test_a_used_code_is_no_more_good_for_anybody_else_not_even_after_a_crash() -> None:
    member = Member()
    code = member.invite()
    Meeting(member, code).enrol()
    for _ in range(2):
        for name in (NETWORK, CERTIFICATE):
            assert Meeting(member, code, MALLORY).ask(name) == (Verdict.USED, None)
        member.boot()
    assert len(member.signed) == 1


def test_what_cannot_be_written_down_is_not_answered() -> None:
    member = Member()
    meeting = Meeting(member, member.invite())
    meeting.ask(NETWORK)
    member.full = True
    with pytest.raises(OSError, match="No space"):
        meeting.ask(CERTIFICATE)
    assert member.state() == "open"
    member.full = False
    assert meeting.ask(CERTIFICATE)[1] is not None


def test_a_newcomer_that_lost_its_answer_gets_the_same_certificate() -> None:
    member = Member()
    code = member.invite()
    first = Meeting(member, code).enrol()
    member.boot()
    again = Meeting(member, code, exporter=b"another session".ljust(32))
    assert again.enrol() == first
    assert len(member.signed) == 1
    member.now += HOUR
    assert again.ask(CERTIFICATE) == (Verdict.EXPIRED, None)


def test_an_invitation_for_several_gives_each_a_name_of_its_own() -> None:
    member = Member()
    code = member.invite(uses=3)
    who = [identity_of(f"newcomer {number}") for number in range(4)]
    for one in who[:3]:
        Meeting(member, code, one).enrol()
    assert [name for name, _ in member.signed] == ["laptop", "laptop-2", "laptop-3"]
    assert Meeting(member, code, who[0]).ask(CERTIFICATE)[0] is Verdict.GOOD
    assert Meeting(member, code, who[3]).ask(CERTIFICATE)[0] is Verdict.USED


def test_a_code_ends_with_its_time() -> None:
    member = Member()
    code = member.invite(ttl=60)
    member.now += 59
    assert Meeting(member, code).ask(NETWORK)[0] is Verdict.GOOD
    member.now += 1
    assert Meeting(member, code).ask(NETWORK) == (Verdict.EXPIRED, None)
    assert member.state() == "expired"


def test_a_code_that_was_taken_back_is_none() -> None:
    member = Member()
    code = member.invite()
    assert member.invitations.revoke(number_of(SECRET)) is not None
    assert member.invitations.revoke(b"not there") is None
    member.boot()
    assert Meeting(member, code).ask(NETWORK) == (Verdict.REVOKED, None)


def test_a_wrong_guess_burns_the_invitation_before_anything_is_said() -> None:
    member = Member()
    code = member.invite()
    bound = Meeting(member, code, MALLORY).bound
    guess = Claim(number_of(SECRET), bound.session, bytes(32))
    assert member.inviter.answer(NETWORK, guess.content(), b"", bound, NOW) == (Verdict.WRONG, None)
    member.boot()
    assert member.state() == "burnt"
    assert Meeting(member, code).ask(NETWORK) == (Verdict.BURNT, None)


def test_a_wrong_guess_burns_even_when_the_disk_is_full() -> None:
    member = Member()
    code = member.invite()
    member.full = True
    bound = Meeting(member, code, MALLORY).bound
    with pytest.raises(OSError, match="No space"):
        member.inviter.answer(NETWORK, Claim(number_of(SECRET), bound.session, bytes(32)).content(), b"", bound, NOW)
    assert Meeting(member, code).ask(NETWORK) == (Verdict.BURNT, None)


def test_a_flood_of_guesses_finds_nothing_keeps_nothing_and_burns_nothing() -> None:
    member = Member()
    code = member.invite()
    random, before = Random(1), dict(member.disk)
    bound = Meeting(member, code, MALLORY).bound
    for _ in range(2000):
        guess = Claim(random.randbytes(8), bound.session, random.randbytes(32))
        assert member.inviter.answer(NETWORK, guess.content(), b"", bound, NOW) == (Verdict.UNKNOWN, None)
    assert member.disk == before
    assert member.invitations.counters == {Verdict.UNKNOWN: 2000}
    Meeting(member, code).enrol()


def test_a_man_in_the_middle_has_two_sessions_and_the_proof_of_neither() -> None:
    member = Member()
    code = member.invite()
    left, right = Meeting(member, code, LAPTOP, exporter=b"l" * 32), Meeting(member, code, MALLORY, exporter=b"r" * 32)
    kind, content, body = left.joiner.ask_network()
    passed_on = member.inviter.answer(kind, {**content, "session": right.bound.session.hex()}, body, right.bound, NOW)
    assert passed_on == (Verdict.WRONG, None)
    assert member.state() == "burnt"


def test_a_man_in_the_middle_cannot_speak_for_the_member_either() -> None:
    member = Member()
    code = member.invite()
    real = Meeting(member, code)
    _, answer = real.ask(NETWORK)
    assert answer is not None
    fooled = Meeting(member, code, exporter=b"f" * 32).joiner
    other_key = MALLORY.public.encoded + answer.body[len(OWNER) :]
    for joiner, body in ((fooled, answer.body), (real.joiner, other_key)):
        with pytest.raises(EnrolmentFailed, match="does not know the code"):
            joiner.take_network(Answer(answer.content, body))
    for content in ({}, {"proof": 1}, {"proof": "zz" * 32}, {"proof": "ab"}, {"proof": "é" * 64}):
        with pytest.raises(EnrolmentFailed, match="does not know the code"):
            real.joiner.take_network(Answer(content, answer.body))


def through(relay: Identity, joiner: Identity = LAPTOP, number: bytes = b"n" * 16) -> Bound:
    return Bound.passed_on(number, relay.fingerprint, joiner.fingerprint, HOME.fingerprint)


def test_what_a_member_passes_on_enrols_who_said_it_and_nobody_else() -> None:
    member = Member()
    code = member.invite(uses=2)
    relay = identity_of("relay")
    joiner = Joiner(code, LAPTOP.public, through(relay))
    kind, content, body = joiner.ask_certificate()
    for _ in range(3):  # the relay says it again and again
        verdict, answer = member.inviter.answer(kind, content, body, through(relay), NOW)
        assert (verdict, answer) == (Verdict.GOOD, Answer({}, b"proof of certificate 1"))
    assert member.signed == [("laptop", LAPTOP.fingerprint)]
    _, answer = member.inviter.answer(*joiner.ask_network(), through(relay), NOW)
    assert answer is not None
    assert joiner.take_network(answer) == ABOUT


@pytest.mark.parametrize(
    "bound",
    [through(MALLORY), through(identity_of("relay"), MALLORY), Bound(b"n" * 16, b"e" * 32, LAPTOP.fingerprint, HOME.fingerprint)],
)
def test_what_is_passed_on_holds_for_one_relay_and_one_newcomer(bound: Bound) -> None:
    member = Member()
    kind, content, body = Joiner(member.invite(), LAPTOP.public, through(identity_of("relay"))).ask_certificate()
    wrong = Verdict.SPOILT if bound.by else Verdict.WRONG
    assert member.inviter.answer(kind, content, body, bound, NOW) == (wrong, None)


def test_a_member_that_passes_on_cannot_end_an_invitation() -> None:
    member = Member()
    code = member.invite()
    for spoilt in (bytes(32), b"x" * 32):
        claim = Claim(number_of(SECRET), b"n" * 16, spoilt)
        assert member.inviter.answer(NETWORK, claim.content(), b"", through(MALLORY), NOW) == (Verdict.SPOILT, None)
    member.boot()
    assert member.state() == "open"
    Meeting(member, code).enrol()


def test_an_own_proof_sent_back_is_none() -> None:
    member = Member()
    meeting = Meeting(member, member.invite())
    _, content, _ = meeting.joiner.ask_network()
    with pytest.raises(EnrolmentFailed):
        meeting.joiner.take_network(Answer({"proof": content["proof"]}, b""))


def test_a_session_that_was_replaced_meanwhile_burns_nothing() -> None:
    member = Member()
    code = member.invite()
    before = Meeting(member, code)
    renewed = before.bound._replace(session=b"t" * 16, exporter=b"f" * 32)
    kind, content, body = before.joiner.ask_certificate()
    assert member.inviter.answer(kind, content, body, renewed, NOW) == (Verdict.OTHER_SESSION, None)
    assert member.state() == "open"


@pytest.mark.parametrize("body", [b"", bytes(2624), MALLORY.public.encoded, LAPTOP.public.encoded + b"x"])
def test_a_certificate_is_for_the_key_of_the_handshake_alone(body: bytes) -> None:
    member = Member()
    meeting = Meeting(member, member.invite())
    kind, content, _ = meeting.joiner.ask_certificate()
    assert member.inviter.answer(kind, content, body, meeting.bound, NOW) == (Verdict.MALFORMED, None)
    assert not member.signed


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("invitation", None),
        ("invitation", 5),
        ("invitation", "ab"),
        ("session", ["00" * 16]),
        ("proof", "0" * 63),
        ("proof", "zz" * 32),
        ("proof", " 0" * 32),
        ("proof", "٣" * 64),
    ],
)
def test_what_is_no_claim_is_none(name: str, change: object) -> None:
    member = Member()
    meeting = Meeting(member, member.invite())
    kind, content, body = meeting.joiner.ask_network()
    assert member.inviter.answer(kind, {**content, name: change}, body, meeting.bound, NOW) == (Verdict.MALFORMED, None)
    assert member.state() == "open"


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=70), lambda inner: st.lists(inner, max_size=3))
WORDS = st.dictionaries(st.sampled_from(["invitation", "session", "proof", "to", "ask", "joiner"]) | st.text(max_size=9), JSON)


@given(st.sampled_from([NETWORK, CERTIFICATE, "forward", ""]), WORDS, st.binary(max_size=3000))
def test_whatever_a_stranger_says_is_judged_and_ends_nothing(name: str, content: dict[str, Any], body: bytes) -> None:
    member = Member()
    meeting = Meeting(member, member.invite(), MALLORY)
    verdict, answer = member.inviter.answer(name, content, body, meeting.bound, NOW)
    assert (verdict, answer) == (Verdict.MALFORMED, None)
    assert member.state() == "open"


def test_another_request_is_none_of_ours() -> None:
    member = Member()
    meeting = Meeting(member, member.invite())
    _, content, body = meeting.joiner.ask_network()
    assert member.inviter.answer("owner", content, body, meeting.bound, NOW) == (Verdict.MALFORMED, None)


def test_when_nothing_can_be_signed_the_invitation_stays_open() -> None:
    member = Member()
    meeting = Meeting(member, member.invite())

    def no_address(_invitation: Invitation, _identity: PublicIdentity) -> bytes:
        raise ApplianceError("no address is free")

    member.inviter._issue = no_address
    with pytest.raises(ApplianceError, match="no address is free"):
        meeting.ask(CERTIFICATE)
    assert member.state() == "open"


def test_a_thousand_invitations_in_a_row() -> None:
    member = Member()
    random = Random(2)
    for number in range(1000):
        code = member.invite(random.randbytes(16))
        Meeting(member, code, LAPTOP if number % 2 else MALLORY).enrol()
        member.now += 1
    assert len(member.signed) == 1000
    for _ in range(200):
        member.invite(random.randbytes(16))
    assert len(member.disk) == 1024


def test_what_ended_long_ago_is_forgotten() -> None:
    member = Member()
    member.invite(b"a" * 16, ttl=60)
    member.now += 31 * 86_400
    member.invite(b"b" * 16)
    assert list(member.disk) == [number_of(b"b" * 16)]


def test_taking_back_works_when_no_more_can_be_made() -> None:
    member = Member()
    secrets = [number.to_bytes(16, "big") for number in range(256)]
    for secret in secrets:
        member.invite(secret)
    with pytest.raises(ApplianceError, match="256 invitations are open"):
        member.invite(b"x" * 16)
    for secret in secrets:
        member.invitations.revoke(number_of(secret))
    member.invite(b"x" * 16)


def test_what_a_newcomer_is_told_fits_into_one_message() -> None:
    far = tuple(
        Contact(HOME.fingerprint, tuple(Endpoint.parse(f"wss://{'a' * 60}.{'b' * 60}.example/{n}") for n in range(20)))
        for _ in range(40)
    )
    body = write_about(About(OWNER, "home", far))
    assert len(body) < 12_000
    about = read_about(body)
    assert about is not None
    assert 1 < len(about.bootstrap) <= MOST_BOOTSTRAP


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"label":"Home","bootstrap":[]}',
        b'{"label":"home","bootstrap":{}}'.replace(b"{}", b'[{"identity":"x","endpoints":[]}]'),
        b'{"label":"home","bootstrap":[{"identity":"llp1:a","endpoints":[]}]}',
        b'{"label":"home","bootstrap":[{"identity":"' + HOME.fingerprint.encode() + b'","endpoints":["udp://x"]}]}',
        b'{"label":"../etc","bootstrap":[]}',
        b'{"label":7,"bootstrap":[]}',
        b'{"label":"home","bootstrap":7}',
        b"[" * 100_000,
    ],
)
def test_what_is_told_in_another_form_is_not_understood(text: bytes) -> None:
    assert read_about(OWNER + text) is None


def test_nothing_shows_a_secret() -> None:
    bound = Bound(b"s" * 16, b"e" * 32, LAPTOP.fingerprint, HOME.fingerprint)
    invitation = Invitation.of(SECRET, Terms("laptop"), NOW, NOW + HOUR)
    for shown in (repr(bound), repr(invitation)):
        assert "eeee" not in shown
        assert repr(invitation.key) not in shown


def test_the_proofs_of_two_sessions_and_two_ends_differ() -> None:
    key = Invitation.of(SECRET, Terms("laptop"), NOW, NOW + HOUR).key
    bound = Bound(b"s" * 16, b"e" * 32, LAPTOP.fingerprint, HOME.fingerprint)
    others = (
        bound._replace(exporter=b"f" * 32),
        bound._replace(joiner=MALLORY.fingerprint),
        bound._replace(inviter=MALLORY.fingerprint),
    )
    assert len({joiner_proof(key, each) for each in (bound, *others)}) == 4
