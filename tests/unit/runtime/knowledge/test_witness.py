"""What a node sees of its members: one that forges and floods on the wire is found out, and its certificate helps it nothing."""

from __future__ import annotations

from pathlib import Path

from appliance.knowledge.scores.faults import FLOOD
from appliance.knowledge.scores.history import Reason
from appliance.members.machine import LIVENESS
from appliance.members.network import digest_of_text
from appliance.members.parcel import pack_parcel
from appliance.members.row import Row, sign_row
from appliance.protocol.events import SendMessage
from appliance.protocol.families import BURST_SECONDS
from appliance.runtime.members.gossip import LIMITS
from appliance.testing.pair import identity_of
from appliance.wire.control import ControlMessage, encode
from appliance.wire.envelope import CHANNEL_CONTROL, PacketType
from appliance.wire.faults import Fault
from tests.rigs.meshed import Meshed, MeshedHost, run
from tests.unit.members.signed import NETWORK, NOW, certificate, grants
from tests.unit.runtime.knowledge.test_scores import Node, three

AT_ONCE = int(LIMITS[LIVENESS].messages * BURST_SECONDS)
"""Messages of one family that a node takes in a moment."""


def of(name: str) -> bytes:
    return digest_of_text(identity_of(name).fingerprint)


def says(host: MeshedHost, kind: str, body: bytes, request: int | None = None) -> None:
    """Say it to `a`, whatever the own budget is."""
    peer = host.node.peers["a"]
    assert peer.session is not None
    message = encode(ControlMessage(kind, {}, body, request=request))
    host.node._shared.events.append(SendMessage(peer.session, PacketType.DATA, CHANNEL_CONTROL, message))
    host.host.pump()


def reasons(node: Node, name: str) -> dict[str, Reason]:
    history = node.scores.book.histories.get(of(name))
    return {} if history is None else {what: reason for what, reason in history.reasons.items() if reason.points < 0}


def forged(name: str) -> bytes:
    good = certificate(name, serial=400, grants=grants("10.7.0.9")).encoded
    return good[:-1] + bytes([good[-1] ^ 1])


def test_one_that_offers_forged_certificates_is_blocked_and_the_other_one_is_not(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a = await three(meshed)
        _, b, _ = meshed.hosts
        for number in range(30):
            if "b" in a.host.connected():
                says(b, "member.statement", pack_parcel([forged("d")]), number + 1)
            await meshed.pause(1.5)
        assert a.host.connected() == ["c"]
        assert set(reasons(a, "b")) == {"forged-statement"}
        assert not reasons(a, "c")
        assert a.scores.blocks()[identity_of("b").fingerprint].reason == "forged-statement"
        await a.scores.close()

    run(story, tmp_path)


def test_forged_rows_and_messages_that_are_none_are_seen_and_put_on_the_account_of_who_sent_them(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a = await three(meshed)
        _, b, _ = meshed.hosts
        row = sign_row(Row(NETWORK.digest, of("c"), 2**40, NOW), lambda _said: bytes(64))
        says(b, "roster.entries", b"\x01" + len(row).to_bytes(2, "big") + row)
        says(b, "liveness.ping", b"1")
        says(b, "roster.entries", b"\xff")
        await meshed.pause(2.0)
        assert {what: reason.count for what, reason in reasons(a, "b").items()} == {"forged-row": 1, "malformed-message": 2}
        assert not reasons(a, "c"), "the one that the row was about did nothing"
        await a.scores.close()

    run(story, tmp_path)


def test_a_flood_is_grave_and_a_few_too_many_are_not(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a = await three(meshed)
        _, b, c = meshed.hosts
        for _ in range(AT_ONCE + 10):
            says(c, "liveness.ping", b"1234")
        for _ in range(AT_ONCE + 10):
            says(b, "liveness.ping", b"1234")
        for _ in range(FLOOD):  # as if so many more had come in this second
            a.host.node._shared.blamed("b", Fault.CONTROL_FLOOD)
        await meshed.pause(2.0)
        few, many = reasons(a, "c")["flood"], reasons(a, "b")["flood"]
        assert 10 <= few.count < FLOOD <= many.count
        assert (few.grave, many.grave) == (False, True)
        await a.scores.close()

    run(story, tmp_path)


def test_strangers_and_families_that_nobody_speaks_are_nobodys_fault(tmp_path: Path) -> None:
    async def story(meshed: Meshed) -> None:
        a = await three(meshed)
        _, b, _ = meshed.hosts
        for _ in range(100):
            says(b, "chess.move", b"e4")
        await meshed.pause(2.0)
        assert not reasons(a, "b")
        await a.scores.close()

    run(story, tmp_path)
