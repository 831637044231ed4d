"""Each check: facts in, finding out; nothing said about a host where all is well."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from appliance.api.profile import Profile
from appliance.cli.doctor import figure_checks, host_checks, node_checks, profile_checks
from appliance.cli.doctor.command import diagnose, findings_text
from appliance.cli.doctor.facts import Facts, HostFacts, ListenFacts, NodeFacts, PathFacts, ProfileFacts
from appliance.cli.doctor.finding import Severity
from appliance.cli.terminal import Terminal

OWN = "llp1:" + "a" * 52
PEER = "llp1:" + "b" * 51 + "a"
DOCUMENT = Path(__file__).parents[3] / "docs/troubleshooting.md"


def profile(**changes: Any) -> Profile:
    tree: dict[str, Any] = {
        "profile": 1,
        "server": {"listen": ["udp://0.0.0.0:8443"]},
        "network": {"addresses": ["10.8.0.1/24"]},
        "peers": [{"name": "laptop", "identity": PEER, "endpoints": ["udp://198.51.100.7:8443"], "allowed": ["10.8.0.2/32"]}],
    }
    for key, value in changes.items():
        section, _, name = key.partition("__")
        if name:
            tree[section] = {**tree.get(section, {}), name: value}
        else:
            tree[section] = value
    return Profile.model_validate(tree)


STATUS: dict[str, Any] = {
    "version": "0.1.0",
    "worker": {"offloads": ["csum", "tso4", "tso6"], "restarts": 0},
    "peers": [{"name": "laptop", "state": "connected", "last_error": None}],
    "sessions": [{"peer": "laptop", "pq": True, "rx_packets": 1_000}],
    "drops": {"replayed": 3},
    "plugins": [{"name": "transport-ip", "state": "active"}],
    "confirm_by": None,
}


def of_host(given: Profile | None = None, **host: Any) -> list[tuple[str, str]]:
    facts = Facts(HostFacts(**host), ProfileFacts(profile=given or profile()))
    return [(one.code, one.severity.value) for check in host_checks.CHECKS for one in check(facts)]


def of_profile(given: Profile | None = None, **facts: Any) -> list[tuple[str, str]]:
    seen = ProfileFacts(profile=given or profile(), identity_path="/etc/appliance/identity", own_identity=OWN, **facts)
    return [(one.code, one.severity.value) for check in profile_checks.CHECKS for one in check(seen)]


def of_figures(figures: dict[str, Any], later: dict[str, Any] | None = None) -> list[tuple[str, str]]:
    facts = NodeFacts(figures=figures, later=later, now=1_764_000_000.0)
    return [(one.code, one.severity.value) for check in figure_checks.CHECKS for one in check(facts)]


def of_node(**changes: Any) -> list[tuple[str, str]]:
    facts = NodeFacts(status={**STATUS, **changes}, version="0.1.0")
    return [(one.code, one.severity.value) for check in node_checks.CHECKS for one in check(facts)]


def test_all_is_well() -> None:
    assert of_host() == []
    assert of_profile() == []
    assert of_node() == []


V6 = profile(network__addresses=["fd00:8::1/64"])
HUB = profile(network__forward=True)
NAT = profile(network__masquerade=["10.8.0.0/24"])
OVER_TCP = profile(server__listen=["tcp://0.0.0.0:8443"])


@pytest.mark.parametrize(
    ("given", "host", "finding"),
    [
        (None, {"tun_problem": "no such file or directory"}, ("tun-missing", "failure")),
        (None, {"net_admin": False}, ("no-net-admin", "note")),
        (None, {"net_admin": False, "rootless_problem": "a chroot"}, ("no-net-admin", "failure")),
        (None, {"kernel": (5, 10)}, ("kernel-old", "failure")),
        (None, {"kernel": (6, 1)}, ("kernel-old", "note")),
        (None, {"udp_gso": False}, ("udp-offload-missing", "warning")),
        (None, {"udp_gro": False}, ("udp-offload-missing", "warning")),
        (NAT, {"nft": False}, ("nft-missing", "failure")),
        (None, {"nft": False}, ("nft-missing", "note")),
        (V6, {"ipv6": False}, ("ipv6-missing", "failure")),
        (HUB, {"sysctls": {"net.ipv4.conf.all.rp_filter": "1"}}, ("rp-filter-strict", "warning")),
        (OVER_TCP, {"sysctls": {"net.ipv4.tcp_available_congestion_control": "reno cubic"}}, ("bbr-missing", "note")),
        (None, {"aes_instructions": False}, ("aes-slow", "note")),
        (None, {"post_quantum": False}, ("no-post-quantum", "failure")),
        (None, {"state_dir_problem": "it belongs to another user"}, ("state-dir", "failure")),
    ],
)
def test_the_host(given: Profile | None, host: dict[str, Any], finding: tuple[str, str]) -> None:
    assert of_host(given, **host) == [finding]


def test_what_the_profile_does_not_need_is_not_missed() -> None:
    assert of_host(ipv6=False) == []
    assert of_host(sysctls={"net.ipv4.conf.all.rp_filter": "1", "net.ipv4.tcp_available_congestion_control": "cubic"}) == []


def test_buffers_matter_without_the_capability_only() -> None:
    small = {"net.core.wmem_max": "212992", "net.core.rmem_max": "212992"}
    assert of_host(sysctls=small) == []
    assert ("buffers-small", "note") in of_host(sysctls=small, net_admin=False)


def path(**facts: Any) -> PathFacts:
    return PathFacts(
        **{"peer": "laptop", "endpoint": "udp://198.51.100.7:8443", "address": "198.51.100.7", "mtu_bytes": 1500, **facts}
    )


@pytest.mark.parametrize(
    ("facts", "finding"),
    [
        ({"identity_problem": "missing"}, ("identity-missing", "failure")),
        ({"identity_problem": "permission denied"}, ("identity-unreadable", "failure")),
        ({"identity_mode": 0o640}, ("identity-loose", "failure")),
        ({"listens": (ListenFacts("udp://0.0.0.0:8443", "EADDRINUSE"),)}, ("port-in-use", "failure")),
        ({"listens": (ListenFacts("udp://192.0.2.1:8443", "EADDRNOTAVAIL"),)}, ("address-not-here", "failure")),
        ({"listens": (ListenFacts("udp://0.0.0.0:53", "EACCES"),)}, ("port-privileged", "failure")),
        ({"listens": (ListenFacts("udp://0.0.0.0:53", "ENOBUFS"),)}, ("port-unusable", "failure")),
        ({"paths": (path(problem="unresolvable", address=""),)}, ("name-unresolvable", "warning")),
        ({"paths": (path(problem="ENETUNREACH"),)}, ("no-route", "failure")),
        ({"paths": (path(mtu_bytes=1400),)}, ("path-mtu-small", "warning")),
        ({"paths": (path(offload_problem="EIO"),)}, ("udp-offload-refused", "warning")),
        ({"paths": (path(address="10.8.0.7"),)}, ("endpoint-inside-overlay", "failure")),
        ({"pending": 3}, ("changes-pending", "note")),
        ({"plan_problem": "10.8.0.1/24 is on eth0 already"}, ("plan-impossible", "failure")),
    ],
)
def test_the_profile_on_this_host(facts: dict[str, Any], finding: tuple[str, str]) -> None:
    assert of_profile(**facts) == [finding]


@pytest.mark.parametrize(
    ("given", "finding"),
    [
        (profile(peers=[]), ("no-peers", "warning")),
        (profile(peers=[{"name": "me", "identity": OWN, "allowed": ["10.8.0.2/32"]}]), ("identity-is-a-peer", "failure")),
        (profile(server={}, peers=[{"name": "x", "identity": PEER, "allowed": ["10.8.0.2/32"]}]), ("nobody-begins", "failure")),
    ],
)
def test_the_profile_itself(given: Profile, finding: tuple[str, str]) -> None:
    assert of_profile(given) == [finding]


def test_a_path_mtu_counts_the_outer_headers_of_its_family() -> None:
    assert of_profile(paths=(path(mtu_bytes=1428),)) == []
    v6 = path(address="2001:db8::7", endpoint="udp://[2001:db8::7]:8443", mtu_bytes=1428)
    assert of_profile(paths=(v6,)) == [("path-mtu-small", "warning")]
    assert of_profile(paths=(path(endpoint="tcp://198.51.100.7:8443", mtu_bytes=600),)) == []
    assert of_profile(profile(network__datagram=1000), paths=(path(mtu_bytes=1100),)) == []


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ({"version": "0.0.9"}, ("version-differs", "warning")),
        ({"worker": {"offloads": ["tso4", "tso6"], "restarts": 2}}, ("worker-restarted", "warning")),
        ({"worker": {"offloads": [], "restarts": 0}}, ("offload-missing", "warning")),
        ({"peers": [{"name": "x", "state": "connecting", "last_error": "timeout"}]}, ("peer-unconnected", "warning")),
        ({"peers": [{"name": "x", "state": "idle", "last_error": "refused"}]}, ("peer-unconnected", "warning")),
        ({"peers": [{"name": "x", "state": "connected", "last_error": "timeout"}]}, ("endpoint-unanswered", "warning")),
        (
            {
                "peers": [{"name": "x", "state": "idle", "last_error": "refused"}],
                "knowledge": {"scores": {"peers": [{"name": "x", "reason": "flood", "by": None}]}},
            },
            ("peer-blocked", "warning"),
        ),
        (
            {"knowledge": {"scores": {"peers": [{"name": "x", "reason": "", "by": "root"}]}}},
            ("peer-blocked", "note"),
        ),
        ({"sessions": [{"peer": "x", "pq": False}]}, ("session-classical", "warning")),
        (
            {"sessions": [{"peer": "laptop", "pq": True, "rx_packets": 1_000, "offload_problem": "EIO"}]},
            ("udp-offload-refused", "warning"),
        ),
        ({"problems": {"host": "missing: route 10.20.0.0/16 over llp0"}}, ("host-drift", "failure")),
        ({"problems": {"names": "port 53 of 10.8.0.1 is in use"}}, ("names-unanswered", "failure")),
        ({"problems": {"mesh": "this node was removed from network home"}}, ("part-unwell", "warning")),
        ({"drops": {"replayed": 5, "bad-tag": 200}}, ("drops-many", "warning")),
        ({"policy": {"denied": {"senders": [{"from": "x", "packets": 7}], "streams": []}}}, ("policy-denied", "note")),
        ({"policy": {"nobody": ["lapdog"]}}, ("policy-means-nobody", "note")),
        ({"policy": {"denied": {"streams": [{"from": "x", "service": "ssh", "times": 1}]}}}, ("policy-denied", "note")),
        ({"plugins": [{"name": "x", "state": "failed", "problem": "no module"}]}, ("plugin-failed", "warning")),
        ({"confirm_by": 12.0}, ("unconfirmed", "warning")),
        ({"management": {"plain": ["192.0.2.1:8470"]}}, ("management-plain", "warning")),
        ({"management": {"shares_user": True}}, ("management-user", "warning")),
        ({"management": {"certificate": {"until": "1970-01-02T00:00:00Z"}}}, ("management-certificate", "warning")),
        ({"management": {"certificate": {"exchange": "X25519"}}}, ("management-classical", "note")),
        ({"management": {"tracing": {"collector": "http://x", "problem": "it answers 503"}}}, ("traces-unsent", "warning")),
        ({"management": {"tracing": {"sent": 1000, "problem": "", "dropped": {"full": 11}}}}, ("traces-dropped", "note")),
    ],
)
def test_the_running_node(changes: dict[str, Any], finding: tuple[str, str]) -> None:
    assert of_node(**changes) == [finding]


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        (NodeFacts(problem="no-daemon"), "no-daemon"),
        (NodeFacts(problem="no-daemon", applied=True), "applied-without-daemon"),
        (NodeFacts(problem="forbidden"), "control-forbidden"),
        (NodeFacts(problem="it did not answer within 3 s"), "daemon-silent"),
    ],
)
def test_a_node_that_does_not_answer(facts: NodeFacts, code: str) -> None:
    assert [one.code for check in node_checks.CHECKS for one in check(facts)] == [code]


def test_the_worst_comes_first_with_what_to_do() -> None:
    host = HostFacts(nft=False, net_admin=False, rootless_problem="a chroot")
    found = diagnose(Facts(host, None, NodeFacts(status=dict(STATUS, confirm_by=9.0))))
    assert [one.severity for one in found] == [Severity.FAILURE, Severity.WARNING, Severity.NOTE]
    lines = findings_text(found, Terminal(out=io.StringIO(), err=io.StringIO())).splitlines()
    assert lines[0] == "✗ no-net-admin: this process may not change the network (CAP_NET_ADMIN is missing)"
    assert lines[1].startswith("    run as root")


def test_a_note_hinders_nothing() -> None:
    found = diagnose(Facts(HostFacts(nft=False), None, NodeFacts(status=STATUS)))
    assert findings_text(found, Terminal(out=io.StringIO(), err=io.StringIO())).splitlines()[-1] == "nothing hinders the node"


def test_figures_beyond_their_limits() -> None:
    assert of_figures({}) == []
    figures = {
        "uptime": 3600.0,
        "loop": {"longest": 0.5, "late": 9},
        "processes": [{"name": "control", "descriptors": 1000, "most_descriptors": 1024}],
        "short": {"memory": "31 MiB of memory can still be had"},
        "disk": {"total": 1 << 30, "free": 1 << 20},
        "certificate": {"not_before": 1_763_000_000, "not_after": 1_764_000_100},
    }
    found = [(code, "warning") for code in ("loop-slow", "descriptors-few", "host-short", "disk-filling", "certificate-ends")]
    assert of_figures(figures) == found
    assert of_figures(figures, figures) == found, "the later ones count, once"


def test_drops_that_rise_while_somebody_looks() -> None:
    before, after = {"uptime": 100.0, "drops": {"full": 10}}, {"uptime": 110.0, "drops": {"full": 1000}}
    assert of_figures(before) == []
    assert of_figures(before, before | {"uptime": 110.0}) == []
    assert of_figures(before, after) == [("drops-rising", "warning")]


def test_who_looks_at_the_firewalls_himself_does_not_repeat_what_the_node_saw_some_seconds_ago() -> None:
    told = {"code": "firewall-in-the-way", "finding": "it stops", "todo": "let it through"}
    node = NodeFacts(status={**STATUS, "warnings": [told]})
    assert "firewall-in-the-way" in {one.code for one in diagnose(Facts(node=node))}
    looked = Facts(profile=ProfileFacts(profile=profile(), pending=0), node=node)
    assert "firewall-in-the-way" not in {one.code for one in diagnose(looked)}
