"""A kernel that does not cut records into datagrams on the real way out: traffic goes on, and admins are told."""

from __future__ import annotations

import re

import pytest

from appliance.api.values import Endpoint
from appliance.cli.doctor.observe_paths import look_at_path
from tests.netns.daemons import Host
from tests.netns.profiles import profile
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

REFUSE = "nft 'add table inet judge; add chain inet judge out {{ type filter hook output priority 0; }}; "
REFUSE += "add rule inet judge out udp dport {port} meta length > {length} drop'"
"""A filter that judges by length sees a record before it is cut, and its sender gets EPERM."""


def test_a_session_goes_on_without_the_offload(hosts: tuple[Host, Host]) -> None:
    first, second = hosts
    first.start()
    second.start()
    second.hear("session ready")
    second.namespace.sh(REFUSE.format(port=8443, length=1450))

    said = second.namespace.sh("ping -c 5 -i 0.05 -w 60 -s 20000 10.8.0.1", check=False)  # it asks on while the last are late
    assert re.findall(r"icmp_seq=(\d+) ttl=", said) == ["1", "2", "3", "4", "5"], said

    [session] = second.status()["sessions"]
    assert session["offload_problem"] == "EPERM"
    assert "1 session(s) without the kernel's (EPERM)" in second.command("status").stdout
    assert "udp-offload-refused" in second.command("doctor", str(second.profile)).stdout
    assert [session["offload_problem"] for session in first.status()["sessions"]] == [None]
    assert second.status()["drops"].get("unreachable", 0) == 0
    second.namespace.sh("nft delete table inet judge; ip link set wire txqueuelen 999")
    while [session["offload_problem"] for session in second.status()["sessions"]] != [None]:
        second.namespace.sh("ping -c 5 -i 0.1 -w 10 -s 20000 10.8.0.1")  # the kernel is asked with the next record
    second.hear("the kernel cuts records into datagrams again")
    second.hear("the kernel refuses to cut records into datagrams (UDP_SEGMENT): they are sent one by one, which is slower")


def test_the_doctor_tries_the_real_way(namespace: Throwaway) -> None:
    namespace.sh("ip link add out type veth peer name far; ip addr add 192.0.2.1/24 dev out; ip link set out up")
    there = Endpoint("udp", "192.0.2.2", 8443)
    assert namespace.run(look_at_path, "peer", there, ["192.0.2.2"], profile().network).offload_problem == ""
    namespace.sh(REFUSE.format(port=9, length=600))
    assert namespace.run(look_at_path, "peer", there, ["192.0.2.2"], profile().network).offload_problem == "EPERM"
    namespace.sh("nft add rule inet judge out drop")
    facts = namespace.run(look_at_path, "peer", there, ["192.0.2.2"], profile().network)
    assert facts.offload_problem == "", "what passes in no way is no refusal of the offload"
