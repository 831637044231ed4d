"""What callers ask of a node about invitations, without a node: its network is on disk, its sessions are nobody's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.api.values import Endpoint
from appliance.errors import ApplianceError
from appliance.foundation import clock
from appliance.members.code import Contact, read_code
from appliance.members.enrolment import Joiner
from appliance.members.invitation import number_of
from appliance.members.proof import Bound
from appliance.protocol.control_channel import Exporter
from appliance.runtime.members import questions
from appliance.runtime.members.enrolling import Enrolling
from appliance.runtime.members.network_folder import NetworkFolder
from appliance.testing.pair import identity_of
from tests.unit.members.signed import NETWORK, OWNER, WIDE, certificate, names

HERE = (Endpoint.parse("udp://198.51.100.7:8443"), Endpoint.parse("tcp://198.51.100.7:8443"))
DESK = identity_of("desk")


class Sessions:
    """All of them have this exporter."""

    def __init__(self, exporter: Exporter | None = None) -> None:
        self._exporter = exporter

    def exporter(self, _peer: str) -> Exporter | None:
        return self._exporter


class Node:
    """A node in a network, as far as invitations go."""

    def __init__(self, state: Path, *, owner: bool = True, here: tuple[Endpoint, ...] = HERE) -> None:
        self.folder = NetworkFolder(state / "mesh-home")
        self.folder.make()
        self.folder.keep_network(NETWORK)
        if owner:
            self.folder.keep_owner(OWNER)
        self.trust = self.folder.trust(int(clock.wall()))
        self.here = here
        self.start()

    def start(self) -> None:
        self.enrolling = Enrolling(
            self.folder, self.trust, DESK, Sessions(), here=lambda: self.here, others=lambda: (), take=self.take
        )

    def take(self, statement: bytes) -> None:
        self.trust.take(statement, int(clock.wall()))

    def ask(self, question: str, /, **args: Any) -> Any:
        return asked(self.enrolling, question, args)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_an_invitation_has_a_code_that_says_all_a_newcomer_needs(node: Node) -> None:
    made = node.ask("invite", name="laptop", tags=["staff"], ttl=60)
    code = read_code(made["code"])
    assert (code.inviter.identity, code.inviter.endpoints) == (DESK.fingerprint, HERE)
    assert number_of(code.secret).hex() == made["number"]
    assert (made["network"], made["name"], made["tags"], made["state"]) == ("home", "laptop", ("staff",), "open")
    assert (node.ask("invitations"))["invitations"] == [
        {name: value for name, value in made.items() if name not in {"code", "network", "endpoints", "relays"}}
    ]


def test_members_that_pass_on_are_named_where_nobody_can_call_from_afar(node: Node) -> None:
    hub = Contact(identity_of("hub").fingerprint, (Endpoint.parse("udp://8.8.4.4:8443"),))
    node.enrolling._relays = lambda: [hub]
    assert read_code(node.ask("invite", name="laptop")["code"]).relays == (hub,)
    assert read_code(node.ask("invite", name="phone", at=["udp://vpn.example:443"])["code"]).relays == ()
    node.here = (*HERE, Endpoint.parse("udp://8.8.8.8:8443"))
    assert read_code(node.ask("invite", name="tablet")["code"]).relays == ()
    node.here = ()
    assert read_code(node.ask("invite", name="tv")["code"]).relays == (hub,)


def test_where_to_call_can_be_said(node: Node) -> None:
    made = node.ask("invite", name="laptop", at=["udp://vpn.example:443"])
    assert read_code(made["code"]).inviter.endpoints == (Endpoint("udp", "vpn.example", 443),)


def test_a_node_with_many_addresses_names_the_best(node: Node) -> None:
    node.here = tuple(Endpoint.parse(f"udp://198.51.100.{number}:8443") for number in range(20))
    assert read_code(node.ask("invite", name="laptop")["code"]).inviter.endpoints == node.here[:8]


def test_the_code_is_kept_nowhere(node: Node) -> None:
    made = node.ask("invite", name="laptop")
    secret = read_code(made["code"]).secret
    kept = b"".join(path.read_bytes() for path in node.folder.path.rglob("*") if path.is_file())
    assert made["number"].encode() in kept
    assert secret not in kept
    assert secret.hex().encode() not in kept


async def test_a_member_whose_certificate_was_written_with_its_invitation_only_is_one_after_a_crash(node: Node) -> None:
    code = read_code(node.ask("invite", name="laptop")["code"])
    laptop = identity_of("laptop")
    bound = Bound(b"s" * 16, b"e" * 32, laptop.fingerprint, DESK.fingerprint)
    node.enrolling._control = Sessions(Exporter(bound.session, bound.exporter, laptop.fingerprint))
    assert await node.enrolling.on_request("stranger", *Joiner(code, laptop.public, bound).ask_certificate()) is not None
    node.trust = node.folder.trust(int(clock.wall()))
    assert names(node.trust, int(clock.wall())) == [], "killed before the statements were on the disk"
    node.start()
    assert names(node.trust, int(clock.wall())) == ["laptop"]
    assert node.ask("invitations")["invitations"][0]["state"] == "used"


def test_an_invitation_is_taken_back_by_number_or_name(node: Node) -> None:
    first = node.ask("invite", name="laptop")
    node.ask("invite", name="phone")
    node.ask("revoke_invitation", which=first["number"])
    node.ask("revoke_invitation", which="phone")
    node.start()
    assert [each["state"] for each in (node.ask("invitations"))["invitations"]] == ["revoked", "revoked"]
    with pytest.raises(ApplianceError, match="no open invitation phone"):
        node.ask("revoke_invitation", which="phone")


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ({}, "name is text"),
        ({"name": 7}, "name is text"),
        ({"name": "laptop", "tllt": 7}, "no argument tllt"),
        ({"name": "laptop", "ttl": True}, "are numbers"),
        ({"name": "laptop", "ttl": 5}, "a minute to thirty days"),
        ({"name": "laptop", "ttl": 10**9}, "a minute to thirty days"),
        ({"name": "laptop", "uses": 0}, "1 to 64 newcomers"),
        ({"name": "laptop", "at": "udp://x:1"}, "at is a list"),
        ({"name": "laptop", "at": ["x" * 601]}, "at is a list"),
        ({"name": "laptop", "at": ["nowhere"]}, "no endpoint"),
        ({"name": "laptop", "at": ["udp://[fe80::1%eth0]:1"]}, "link-local"),
        ({"name": "laptop", "tags": ["Staff"]}, "no tag"),
        ({"name": "Laptop"}, "no name of a member"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(node: Node, args: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ApplianceError, match=sentence):
        node.ask("invite", **args)
    assert (node.ask("invitations"))["invitations"] == []


def test_who_may_not_invite_hears_so_at_once(tmp_path: Path) -> None:
    with pytest.raises(ApplianceError, match="no issuer"):
        Node(tmp_path, owner=False).ask("invite", name="laptop")


def test_an_issuer_invites_without_the_owners_key(tmp_path: Path) -> None:
    node = Node(tmp_path, owner=False)
    now = int(clock.wall())
    node.trust.take(certificate("desk", scope=WIDE, not_before=now, not_after=now + 9999).encoded, now)
    assert (node.ask("invite", name="laptop", tags=["desk"]))["state"] == "open"


def test_a_node_that_nobody_can_call_says_so(tmp_path: Path) -> None:
    with pytest.raises(ApplianceError, match="could not call this node") as caught:
        Node(tmp_path, here=()).ask("invite", name="laptop")
    assert "--at" in caught.value.hint


@pytest.mark.parametrize("question", ["invite", "invitations", "revoke_invitation"])
def test_a_node_without_a_network_says_so(question: str) -> None:
    with pytest.raises(ApplianceError, match="in no network of members"):
        asked(None, question, {"name": "laptop", "which": "x"})


def asked(enrolling: Enrolling | None, question: str, args: dict[str, Any]) -> Any:
    match question:
        case "invite":
            return questions.invite(enrolling, args)
        case "revoke_invitation":
            return questions.revoke(enrolling, args)
        case _:
            return questions.invitations(enrolling)
