"""A profile's day, as its admin types it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

PROFILE = """\
profile: 1
name: office
server: {identity: file:identity}
network:
  addresses: [10.8.0.1/24, "fd00:8::1/64"]
  routes: [{to: 10.9.0.0/16}]
plugins: [transport-ip, crypto-standard, routing-static]
"""


def test_from_init_to_rollback(host: Cli, namespace: Throwaway) -> None:
    before = namespace.snapshot()
    begun = host("init", "starter.yaml", "--name", "office")
    assert (begun.code, begun.out) == (0, "")
    assert host("check", "starter.yaml").code == 0

    assert host("keys", "new", "identity").code == 0
    profile = host.profile(PROFILE)
    checked = host("check", profile)
    assert checked.code == 0
    assert checked.out.endswith("ok (office: interface llp0, 0 peer(s), 3 plugin(s))\n")

    planned = host("plan", profile)
    assert planned.code == 3
    assert re.search(r"^  \+ .*llp0", planned.out, re.MULTILINE)
    document = host("plan", profile, "--json").document
    assert document["changes"] == len(document["steps"]) == len(document["revert"])
    assert namespace.snapshot() == before

    applied = host("apply", profile)
    assert applied.code == 0, applied.err
    assert applied.out == f"applied: {document['changes']} changes\n"
    assert f"[{document['changes']}/{document['changes']}] done: " in applied.err
    assert "10.8.0.1/24" in namespace.sh("ip -br addr show llp0")

    again = host("plan", profile)
    assert (again.code, again.out) == (0, "No changes: this host is as the profile says.\n")
    assert host("apply", profile).out == "nothing to do: this host is as the profile says\n"

    undone = host("rollback")
    assert undone.code == 0
    assert undone.out == f"undone: {document['changes']} changes; this host is as before\n"
    assert namespace.snapshot() == before
    assert host("rollback").out == "nothing was applied, nothing to undo\n"


def test_confirming_and_not(host: Cli, namespace: Throwaway) -> None:
    profile = host.profile(PROFILE)
    before = namespace.snapshot()
    applied = host("apply", profile, "--confirm-within", "5min", "--json").document
    assert (applied["changed"], applied["by"], applied["confirm_within"]) == (True, "host", 300.0)
    assert host("apply", profile).code == 75
    assert host("confirm").out == "confirmed: the changes stay\n"
    refused = host("confirm")
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith("error: nothing awaits confirmation\nhint: ")
    assert host("rollback").code == 0
    assert namespace.snapshot() == before


def test_a_profile_by_option_by_environment_and_by_place(host: Cli) -> None:
    profile = host.profile(PROFILE)
    by_place = host("plan", profile, "--json").document
    assert host("plan", "--config", profile, "--json").document == by_place
    assert host("--config", profile, "plan", "--json").document == by_place
    other = host("config", "show", profile, "--json", APPLIANCE_NETWORK__MTU="1300").document
    assert other["network.mtu"]["value"] == 1300
    assert other["network.mtu"]["origin"]["kind"] == "environment"
    assert other["network.addresses.0"]["origin"]["line"] == 5


def test_checking_by_an_option(cli: Cli) -> None:
    profile = cli.profile(PROFILE)
    for words in (["--config", profile, "--check-config"], ["--check-config", "--config", profile], ["check", profile]):
        checked = cli(*words)
        assert checked.code == 0, checked.err
        assert checked.out.endswith("ok (office: interface llp0, 0 peer(s), 3 plugin(s))\n")
    assert cli("--config", cli.profile("profile: 2\n", "bad.yaml"), "--check-config").code == 2


def test_a_drop_in_overrules_its_profile(host: Cli, tmp_path: Path) -> None:
    profile = host.profile(PROFILE)
    drop_ins = tmp_path / "profile.yaml.d"
    drop_ins.mkdir()
    (drop_ins / "10-mtu.yaml").write_text("network: {mtu: 1380}\n")
    shown = host("config", "show", profile).out
    assert re.search(rf"^network.mtu +1380 +{drop_ins}/10-mtu.yaml:1:16$", shown, re.MULTILINE)


def test_the_doctor_of_a_host_where_nothing_runs(host: Cli) -> None:
    host("keys", "new", "identity")
    seen = host("doctor", host.profile(PROFILE), "--json")
    codes = {finding["code"]: finding["severity"] for finding in seen.document["findings"]}
    assert codes["changes-pending"] == "note"
    assert codes["no-daemon"] == "note"
    assert codes["no-peers"] == "warning"
    assert seen.code == 5
    host("apply", "profile.yaml")
    left = {finding["code"] for finding in host("doctor", "profile.yaml", "--json").document["findings"]}
    assert "applied-without-daemon" in left
    assert "changes-pending" not in left
    host("rollback")
