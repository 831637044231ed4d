"""The log as a part of a node: it comes and goes with the profile, and hears what befalls the node."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from appliance.api.management import Principal
from appliance.api.profile import Profile
from appliance.control.conversation import Operation, Request
from appliance.management.audit.verifying import verify
from appliance.members.trust import Trust
from appliance.protocol.identity import Identity
from appliance.runtime.audit.folder import with_texts
from appliance.runtime.audit.part import AuditPart
from appliance.runtime.audit.reading import entries_in
from appliance.runtime.audit.told import Told
from appliance.runtime.streams.callers import Caller
from tests.unit.members.signed import NETWORK, NOW, certificate, identity, revocation

NODE = Identity.from_seeds(b"\x01" * 32, b"\x02" * 32)
ROOT = Principal("local", "root", 0)


def profile(**more: Any) -> Profile:
    return Profile.model_validate({"profile": 1, **more})


@asynccontextmanager
async def node(folder: Path, wanted: Profile, mesh: Any = None) -> AsyncIterator[AuditPart]:
    part = AuditPart(Told(folder, NODE, lambda: mesh, lambda name: f"llp1:{name}", lambda: False), {})
    await part.use(wanted)
    try:
        yield part
    finally:
        await part.stop()


def entries(folder: Path) -> list[dict[str, Any]]:
    assert verify(with_texts(folder)).good
    return [entry for _, data in with_texts(folder) for entry in entries_in(data)]


async def change(_request: Request) -> str:
    return "changed"


async def test_a_node_whose_profile_wants_none_has_none(tmp_path: Path) -> None:
    operations = {"deed": Operation("node.change", change)}
    async with node(tmp_path / "a", profile()) as part:
        assert part.around(operations) is operations
        assert part.problems == {}
        part.members_changed()
    assert not (tmp_path / "a").exists()


async def test_it_begins_and_ends_with_the_node(tmp_path: Path) -> None:
    async with node(tmp_path / "a", profile(audit={})) as part:
        assert part.problems == {"audit": ""}
    started, stopped = entries(tmp_path / "a")
    assert (started["what"], stopped["what"]) == ("node.started", "node.stopped")
    assert started["target"].startswith("sha256:")
    assert (tmp_path / "a/head.json").exists()


async def test_it_comes_and_goes_with_the_profile(tmp_path: Path) -> None:
    changed: list[str] = []
    async with node(tmp_path / "a", profile()) as part:
        part.changed = lambda: changed.append("changed")
        await part.use(profile(audit={}))
        await part.use(profile(audit={}, name="other"))
        await part.use(profile(audit={}, name="other"))
        await part.use(profile())
    assert [entry["what"] for entry in entries(tmp_path / "a")] == ["node.started", "profile.changed", "log.ended"]
    assert changed == ["changed", "changed"]


async def test_what_callers_change_is_recorded_and_the_log_answers(tmp_path: Path) -> None:
    async with node(tmp_path / "a", profile(audit={})) as part:
        operations = part.around({"deed": Operation("node.change", change)})
        assert await operations["deed"].handler(Request(ROOT, {})) == "changed"  # type: ignore[misc]
        page = await operations["audit"].handler(Request(ROOT, {"what": "deed"}))  # type: ignore[misc]
        assert [entry["outcome"] for entry in page["entries"]] == ["allowed", "done"]
        (head,) = (await operations["audit_heads"].handler(Request(ROOT, {})))["heads"]  # type: ignore[misc]
        assert (head["node"], head["number"]) == (NODE.fingerprint, 3)
        assert (operations["audit"].permission, operations["audit_add"].permission) == ("audit.read", "audit.add")


async def test_who_is_refused_is_recorded(tmp_path: Path) -> None:
    async def never(_principal: Principal, _permission: str, _target: str) -> bool:
        return False

    async with node(tmp_path / "a", profile(audit={})) as part:
        assert not await part.judging(never)(Principal("local", "eve", 1000), "node.read", "status")
        judge = part.judging_streams(lambda _caller, service: "policy" if service == "ssh" else "")
        caller = Caller(ip_address("10.8.0.2"), "laptop")
        assert [judge(caller, service) for service in ("ssh", "web")] == ["policy", ""]
    _, eve, laptop, _ = entries(tmp_path / "a")
    assert (eve["what"], eve["outcome"], eve["who"]["name"]) == ("status", "denied", "eve")
    assert (laptop["what"], laptop["target"], laptop["who"]) == ("stream.denied", "ssh", {"kind": "peer", "name": "laptop"})


async def test_without_a_log_judges_are_asked_as_before(tmp_path: Path) -> None:
    async def never(_principal: Principal, _permission: str, _target: str) -> bool:
        return False

    async with node(tmp_path / "a", profile()) as part:
        assert not await part.judging(never)(ROOT, "node.read", "status")
        assert part.judging_streams(lambda _caller, _service: "policy")(Caller(ip_address("10.8.0.2")), "ssh") == "policy"


async def test_a_folder_that_cannot_be_had_is_said_and_the_node_goes_on(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("in the way")
    async with node(tmp_path / "a", profile(audit={})) as part:
        operations = part.around({"deed": Operation("node.change", change)})
        assert await operations["deed"].handler(Request(ROOT, {})) == "changed"  # type: ignore[misc]
        assert "takes nothing" in part.problems["audit"]


class Members:
    """A network of members, as far as the log looks at it."""

    def __init__(self) -> None:
        self.now = NOW
        self.trust = Trust(NETWORK)
        for name in ("laptop", "phone", "owner"):
            self.trust.take(certificate(name, not_after=NOW + (10 if name == "phone" else 100)).encoded, NOW)

    def members(self) -> Any:
        return self.trust.members(self.now)


async def test_members_that_are_removed_are_recorded_and_those_that_expire_are_not(tmp_path: Path) -> None:
    mesh = Members()
    async with node(tmp_path / "a", profile(audit={}), mesh) as part:
        part.members_changed()
        mesh.trust.take(revocation("laptop").encoded, NOW)
        mesh.now = NOW + 50
        part.members_changed()
        part.members_changed()
        assert len(mesh.members()) == 1
    (removed,) = [entry for entry in entries(tmp_path / "a") if entry["what"] == "member.removed"]
    assert (removed["target"], removed["more"]) == ("laptop", {"identity": identity("laptop")})
    assert removed["told_by"] == {"kind": "issuer", "name": NETWORK.fingerprint}
