"""Apply, plan again, roll back: on the real kernel, in a namespace of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.api.profile import Profile
from appliance.apply.engine import apply_profile, plan_profile, plan_rollback, rollback, state
from appliance.errors import ApplyError, PlanError
from tests.netns.profiles import profile, rich
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns


@pytest.mark.parametrize("wanted", [profile(), rich()], ids=["smallest", "rich"])
def test_an_applied_profile_plans_nothing_and_its_rollback_restores_the_host(
    namespace: Throwaway, state_dir: Path, wanted: Profile
) -> None:
    before = namespace.snapshot()

    assert namespace.run(apply_profile, wanted, state_dir).changed
    applied = namespace.snapshot()
    assert applied != before

    again = namespace.run(apply_profile, wanted, state_dir)
    assert not again.changed
    assert namespace.snapshot() == applied

    assert namespace.run(rollback, state_dir).steps
    assert namespace.snapshot() == before
    assert not state_dir.exists()


def test_what_is_applied_is_what_the_profile_says(namespace: Throwaway, state_dir: Path) -> None:
    namespace.run(apply_profile, rich(mtu=1300), state_dir)

    seen = namespace.snapshot()
    [link] = [link for link in seen["links"] if link["ifname"] == "llp0"]
    assert (link["mtu"], link["gso_max_size"], link["txqlen"], "UP" in link["flags"]) == (1300, 63000, 2000, True)
    assert link["linkinfo"]["info_data"] == {
        "type": "tun", "pi": False, "vnet_hdr": True, "multi_queue": False, "persist": True, "user": "root", "group": "root",
    }  # fmt: skip
    [entry] = [entry for entry in seen["addresses"] if entry["ifname"] == "llp0"]
    assert {(address["local"], address["prefixlen"]) for address in entry["addr_info"]} >= {("10.8.0.1", 24), ("fd00:8::1", 64)}
    routes = {
        (route["dst"], route.get("table", "main")) for route in seen["routes"] + seen["routes6"] if route["protocol"] == "76"
    }
    assert routes == {("10.20.0.0/16", "1000"), ("10.30.0.0/16", "main"), ("fd30::/48", "main")}
    assert [rule["priority"] for rule in seen["rules"] if rule.get("protocol") == "76"] == [100, 101]
    assert "net.ipv4.ip_forward = 1" in seen["settings"]
    assert "net.ipv6.conf.all.forwarding = 1" in seen["settings"]
    assert "net.core.somaxconn = 5000" in seen["settings"]
    assert [entry["table"]["name"] for entry in seen["nftables"]["nftables"] if "table" in entry] == ["appliance"]


CHANGES = {
    "mtu": {"mtu": 1500},
    "an address more": {"addresses": ["10.8.0.1/24", "10.8.0.9/24", "fd00:8::1/64"]},
    "other addresses": {"addresses": ["10.7.0.1/24"], "routes": []},
    "no masquerading": {"masquerade": []},
    "other masquerading": {"masquerade": ["10.30.0.0/16"], "clamp_mss": False},
    "no rules and routes": {"rules": [], "routes": []},
    "other settings": {"sysctls": {"net.core.somaxconn": 6000}},
    "another interface": {"interface": "over0", "sysctls": {}},
    "IPv4 only, small": {"addresses": ["10.8.0.1/24"], "mtu": 576, "masquerade": ["10.8.0.0/24"]},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_profile_changes_only_the_rest_and_still_rolls_back_to_the_beginning(
    namespace: Throwaway, state_dir: Path, change: dict[str, object]
) -> None:
    before = namespace.snapshot()
    first = namespace.run(apply_profile, rich(), state_dir)

    second = namespace.run(apply_profile, rich(**change), state_dir)

    assert 0 < len(second.plan.steps) < len(first.plan.steps) or "interface" in change
    assert namespace.run(plan_profile, rich(**change), state_dir).steps == ()
    namespace.run(apply_profile, rich(), state_dir)
    namespace.run(rollback, state_dir)
    assert namespace.snapshot() == before


def test_a_step_that_fails_undoes_what_was_done(namespace: Throwaway, state_dir: Path) -> None:
    before = namespace.snapshot()
    wanted = rich(sysctls={"net.ipv4.conf.llp0.rp_filter": "banana"})

    with pytest.raises(ApplyError, match="all that had been done was undone"):
        namespace.run(apply_profile, wanted, state_dir)

    assert namespace.snapshot() == before
    assert not state_dir.exists()


def test_a_failing_change_leaves_what_was_applied_before(namespace: Throwaway, state_dir: Path) -> None:
    namespace.run(apply_profile, profile(), state_dir)
    applied = namespace.snapshot()

    with pytest.raises(ApplyError):
        namespace.run(apply_profile, profile(mtu=1300, sysctls={"net.core.somaxconn": "banana"}), state_dir)

    assert namespace.snapshot() == applied
    assert len(namespace.run(state, state_dir).generations) == 1


def test_what_somebody_took_away_comes_back(namespace: Throwaway, state_dir: Path) -> None:
    before = namespace.snapshot()
    namespace.run(apply_profile, rich(), state_dir)
    namespace.sh("ip addr del fd00:8::1/64 dev llp0; nft flush chain inet appliance forward; ip rule del priority 101")

    repaired = namespace.run(apply_profile, rich(), state_dir)

    assert {step.do.verb for step in repaired.plan.steps} == {"address.add", "nft.replace", "rule.add"}
    namespace.run(rollback, state_dir)
    assert namespace.snapshot() == before


def test_rollback_after_the_interface_was_removed_by_hand(namespace: Throwaway, state_dir: Path) -> None:
    before = namespace.snapshot()
    namespace.run(apply_profile, rich(), state_dir)
    namespace.sh("ip link del llp0")

    namespace.run(rollback, state_dir)

    assert namespace.snapshot() == before


def test_settings_that_the_kernel_changes_along_are_restored(namespace: Throwaway, state_dir: Path) -> None:
    namespace.sh("ip link add veth-a type veth peer name veth-b")
    namespace.sh(
        "sysctl -qw net.ipv4.conf.veth-a.forwarding=1 net.ipv4.conf.all.accept_redirects=0 net.ipv6.conf.veth-b.forwarding=1"
    )
    before = namespace.snapshot()

    namespace.run(apply_profile, rich(), state_dir)
    namespace.run(rollback, state_dir)

    assert namespace.snapshot() == before


def test_ipv6_that_is_off_by_default_is_put_on_for_the_overlay_only(namespace: Throwaway, state_dir: Path) -> None:
    namespace.sh("sysctl -qw net.ipv6.conf.default.disable_ipv6=1")
    before = namespace.snapshot()

    namespace.run(apply_profile, profile(), state_dir)

    assert "fd00:8::1" in namespace.sh("ip -6 addr show dev llp0")
    assert namespace.sh("sysctl -n net.ipv6.conf.default.disable_ipv6").strip() == "1"
    namespace.run(rollback, state_dir)
    assert namespace.snapshot() == before


@pytest.mark.parametrize("mtu", [576, 1280, 9000])
def test_every_mtu_of_the_range(namespace: Throwaway, state_dir: Path, mtu: int) -> None:
    namespace.run(apply_profile, profile(addresses=["10.8.0.1/24"], mtu=mtu), state_dir)
    assert f"mtu {mtu} " in namespace.sh("ip link show dev llp0")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("ip link add llp0 type veth peer name llp1", "no TUN device"),
        ("ip tuntap add dev llp0 mode tap", r"no TUN device \(tap\)"),
        ("ip link add v0 type veth peer name v1; ip addr add 10.8.0.1/16 dev v0", "already on v0"),
        ("ip link add v0 type veth peer name v1; ip addr add 10.8.0.7/24 dev v0", "network 10.8.0.0/24 .* already on v0"),
        ("ip link add v0 type veth peer name v1; ip link set v0 up; ip route add 10.30.0.0/16 dev v0", "already routed over v0"),
    ],
)
def test_a_host_that_clashes_is_told_so_before_anything_is_done(
    namespace: Throwaway, state_dir: Path, script: str, words: str
) -> None:
    namespace.sh(script)
    before = namespace.snapshot()

    with pytest.raises(PlanError, match=words) as refusal:
        namespace.run(apply_profile, rich(), state_dir)

    assert refusal.value.hint
    assert namespace.snapshot() == before


def test_a_tun_device_made_by_hand_is_taken_over_and_given_back(namespace: Throwaway, state_dir: Path) -> None:
    namespace.sh("ip tuntap add dev llp0 mode tun vnet_hdr user nobody; ip link set llp0 mtu 1450 up")
    namespace.sh("ip link set llp0 addrgenmode none")  # else the kernel gives it a link-local address when it is opened
    namespace.sh("ip addr add 172.16.0.1/24 dev llp0; ip addr add fd99::1/64 dev llp0 nodad; ip route add 10.77.0.0/16 dev llp0")
    before = namespace.snapshot()

    namespace.run(apply_profile, rich(), state_dir)
    assert "172.16.0.1" not in namespace.sh("ip addr show dev llp0")

    namespace.run(rollback, state_dir)
    assert namespace.snapshot() == before


def test_the_plan_to_roll_back_lists_every_step(namespace: Throwaway, state_dir: Path) -> None:
    done = namespace.run(apply_profile, rich(), state_dir)

    assert namespace.run(plan_rollback, state_dir).steps == done.revert.steps
