"""Peers that reach each other by link-local addresses, and nothing else: the interface is part of the address."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.netns.daemons import Host
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns


@pytest.mark.parametrize("scheme", ["udp", "tcp"])
@pytest.mark.parametrize("listening", ["[fe80::1%wire]", "[::]"])
def test_link_local_endpoints_carry_traffic_both_ways(scheme: str, listening: str, tmp_path: Path) -> None:
    with Throwaway() as one, Throwaway() as two:
        for wire in ("aside", "wire"):  # the same addresses on another link: without the interface the wrong one is taken
            one.sh(f"ip link add {wire} type veth peer name {wire} netns {two.name}")
            for number, namespace in enumerate((one, two), 1):
                namespace.sh(f"ip link set {wire} addrgenmode none; ip addr add fe80::{number}/64 dev {wire} nodad")
                namespace.sh(f"ip link set {wire} up")
        two.sh("ip addr flush dev aside")
        first, second = Host(one, tmp_path, 1), Host(two, tmp_path, 2)
        first.write(second, listen=f'"{scheme}://{listening}:8443"')
        second.write(first, listen="", endpoints=f'"{scheme}://[fe80::1%wire]:8443"')
        try:
            first.start()
            second.start()
            assert second.pings("10.8.0.1")
            assert first.pings("10.8.0.2")
            [here], [there] = first.status()["sessions"], second.status()["sessions"]
            assert here["endpoint"].startswith(f"{scheme}://[fe80::2%wire]:")
            assert there["endpoint"] == f"{scheme}://[fe80::1%wire]:8443"
            assert min(here["rx_packets"], here["tx_packets"], there["rx_packets"], there["tx_packets"]) >= 2
            if "%" in listening:
                assert first.status()["listen"] == [f"{scheme}://{listening}:8443"]
            doctor = second.command("doctor", str(second.profile)).stdout
            assert "no-route" not in doctor
        finally:
            for host in (first, second):
                if host.process is not None:
                    host.stop()
