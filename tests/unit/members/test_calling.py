from __future__ import annotations

from ipaddress import ip_network

from appliance.api.values import Endpoint
from appliance.members.calling import MOST, endpoints_of
from appliance.members.network import identity_text
from appliance.members.row import EndpointKind, Row
from tests.unit.members.rows import NETWORK, NOW, endpoint, member

HERE = [ip_network("192.168.7.0/24")]
OVERLAY = [ip_network("10.86.0.0/16")]
SCHEMES = ("udp", "tcp", "relay")


def called(*endpoints: object, schemes: tuple[str, ...] = SCHEMES, **more: object) -> list[str]:
    row = Row(NETWORK, member("a"), 1, NOW, endpoints=endpoints, **more)  # type: ignore[arg-type]
    return [str(each) for each in endpoints_of(row, schemes, HERE, OVERLAY)]


def test_what_is_near_goes_first_then_what_is_public() -> None:
    assert called(
        endpoint("udp://10.1.1.1:1"),
        endpoint("udp://8.8.8.8:1", EndpointKind.REFLECTED),
        endpoint("udp://9.9.9.9:1", EndpointKind.CONFIGURED),
        endpoint("udp://192.168.7.9:1"),
    ) == ["udp://192.168.7.9:1", "udp://9.9.9.9:1", "udp://8.8.8.8:1", "udp://10.1.1.1:1"]


def test_the_better_transport_goes_first_whatever_the_order_of_the_row() -> None:
    schemes = ("wss", "tcp", "quic", "udp", "other")
    row = [endpoint(f"{scheme}://8.8.8.8:1") for scheme in schemes]
    assert [each.partition(":")[0] for each in called(*row, schemes=schemes)] == ["udp", "quic", "tcp", "wss", "other"]


def test_many_addresses_of_one_transport_leave_room_for_the_others() -> None:
    row = [endpoint(f"udp://8.8.8.{number}:1") for number in range(12)] + [
        endpoint("tcp://8.8.8.1:1"),
        endpoint("wss://8.8.8.1/x"),
    ]
    found = called(*row, schemes=("udp", "tcp", "wss"))
    assert len(found) == MOST
    assert found[-2:] == ["tcp://8.8.8.1:1", "wss://8.8.8.1/x"]


def test_of_two_alike_the_younger_goes_first() -> None:
    old, new = endpoint("udp://8.8.8.8:1", age=900), endpoint("udp://9.9.9.9:1", age=3)
    assert called(old, new) == ["udp://9.9.9.9:1", "udp://8.8.8.8:1"]


def test_what_a_row_should_not_make_others_do() -> None:
    assert not called(
        endpoint("udp://victim.example:53"),
        endpoint("udp://127.0.0.1:22"),
        endpoint("udp://[::1]:22"),
        endpoint("udp://169.254.1.1:1"),
        endpoint("udp://[fe80::1]:1"),
        endpoint("udp://224.0.0.1:1"),
        endpoint("udp://0.0.0.0:1"),
        endpoint("udp://10.86.0.9:1"),
        endpoint("what://8.8.8.8:1"),
    )


def test_they_are_few_and_relays_come_before_what_hardly_answers() -> None:
    many = [endpoint(f"udp://8.8.8.{number}:1") for number in range(12)]
    relay = str(Endpoint("relay", "", 0, identity_text(member("r"))))
    found = called(*many, relays=(member("r"),))
    assert len(found) == MOST + 1
    assert found[-1] == relay
    assert called(
        endpoint("udp://10.1.1.1:1"),
        endpoint("udp://8.8.8.8:1", EndpointKind.REFLECTED),
        endpoint("udp://9.9.9.9:1", EndpointKind.MAPPED),
        endpoint("udp://192.168.7.9:1"),
        relays=(member("r"),),
    ) == ["udp://192.168.7.9:1", "udp://9.9.9.9:1", relay, "udp://8.8.8.8:1", "udp://10.1.1.1:1"]
    assert called(relays=(member("r"),), schemes=("udp",)) == []
