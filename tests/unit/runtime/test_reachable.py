from __future__ import annotations

import pytest

from appliance.api.values import Endpoint
from appliance.runtime.members.reachable import reachable_at

ANY4 = ("tcp://0.0.0.0:8443", "udp://0.0.0.0:8443")
ANY6 = ("udp://[::]:8443",)


def reach(listening: tuple[str, ...], *addresses: str) -> list[str]:
    return [str(endpoint) for endpoint in reachable_at(map(Endpoint.parse, listening), addresses)]


def test_a_socket_on_all_addresses_is_reached_at_each() -> None:
    assert reach((*ANY4, *ANY6), "192.168.1.7", "2a00::7") == [
        "udp://[2a00::7]:8443",
        "udp://192.168.1.7:8443",
        "tcp://192.168.1.7:8443",
    ]


def test_at_each_address_the_better_transport_comes_first() -> None:
    listening = ("wss://0.0.0.0:443/llp", "tcp://0.0.0.0:1", "quic://0.0.0.0:443", "udp://0.0.0.0:1")
    assert [each.partition(":")[0] for each in reach(listening, "10.0.0.1")] == ["udp", "quic", "tcp", "wss"]


def test_public_addresses_come_first_and_there_are_only_so_many() -> None:
    found = reach(ANY4, "10.0.0.1", "10.0.0.2", "10.0.0.3", "8.8.4.4")
    assert found[0] == "udp://8.8.4.4:8443"
    assert len(found) == 6


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "fe80::1", "169.254.1.1", "224.0.0.1"])
def test_what_means_nothing_elsewhere_is_left_out(address: str) -> None:
    assert reach((*ANY4, *ANY6), address) == []


def test_a_socket_on_one_address_is_reached_there() -> None:
    assert reach(("udp://192.168.1.7:8443", "udp://127.0.0.1:1"), "10.0.0.1") == ["udp://192.168.1.7:8443"]


def test_a_path_stays_behind_each_address() -> None:
    assert reach(("wss://0.0.0.0:443/llp",), "10.0.0.1") == ["wss://10.0.0.1:443/llp"]
    assert reach(("wss://[::]:443/llp",), "2a00::7") == ["wss://[2a00::7]:443/llp"]


def test_who_does_not_listen_is_not_reached() -> None:
    assert reach((), "10.0.0.1") == []
