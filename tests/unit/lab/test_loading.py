from __future__ import annotations

from pathlib import Path

import pytest

from appliance.api.values import Endpoint
from appliance.lab.definition import LabFile
from appliance.lab.loading import LabInvalid, endpoint_address, load

ROOT = Path(__file__).parents[3]
SHIPPED = sorted((ROOT / "profiles/lab").glob("*.yaml"))

GOOD = """\
lab: 1
name: two
links: [{name: wan, hosts: [a, b], ipv4: 192.0.2.0/24, ipv6: "2001:db8::/64"}]
hosts:
  a: {addresses: [10.1.0.1/24], peers: {b: {endpoints: ["udp://b:8443", "udp://b.ipv6:8443", "udp://192.0.2.9:1"]}}}
  b: {addresses: [10.1.0.2/24], listen: ["udp://[::]:8443"], peers: {a: {}}}
probes:
  - {probe: ping, between: [a, b]}
"""


def loaded(path: Path, text: str) -> LabFile:
    file = path / "lab.yaml"
    file.write_text(text)
    return load(file)


def problems(path: Path, text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(LabInvalid) as caught:
        loaded(path, text)
    assert "the lab file has" in caught.value.message
    return [(problem.line, problem.path, problem.message) for problem in caught.value.problems]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_lab_is_valid_and_called_as_its_file(file: Path) -> None:
    definition = load(file)
    assert definition.name == file.stem
    assert definition.about
    assert definition.probes


def test_the_four_labs_are_there() -> None:
    assert {file.stem for file in SHIPPED} >= {"pair", "pair-tcp", "pair-v6", "hub"}


def test_a_hosts_name_stands_for_its_address(tmp_path: Path) -> None:
    lab = loaded(tmp_path, GOOD)
    names = [endpoint_address(lab, "a", endpoint) for endpoint in lab.hosts["a"].peers["b"].endpoints]
    assert names == ["192.0.2.2", "2001:db8::2", "192.0.2.9"]
    assert endpoint_address(lab, "a", Endpoint("udp", "c", 1)) is None
    assert endpoint_address(lab, "a", Endpoint("udp", "b.ipv7", 1)) is None


def test_a_misspelt_key_is_shown_with_its_place(tmp_path: Path) -> None:
    assert problems(tmp_path, GOOD.replace("addresses: [10.1.0.2", "adresses: [10.1.0.2"))[0][:2] == (6, "hosts.b.adresses")


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("hosts: [a, b]", "hosts: [a, c]", "links.0.hosts.1", "there is no host c"),
        ("hosts: [a, b]", "hosts: [a, b, b]", "links.0.hosts", "a host is named twice on this wire"),
        (', ipv4: 192.0.2.0/24, ipv6: "2001:db8::/64"', "", "links.0", "the wire has no addresses"),
        ("ipv4: 192.0.2.0/24", 'ipv4: "2001:db8:1::/64"', "links.0.ipv4", "2001:db8:1::/64 is no IPv4 prefix"),
        ("192.0.2.0/24", "192.0.2.0/31", "links.0.ipv4", "192.0.2.0/31 has too few addresses for 2 hosts"),
        ("peers: {a: {}}", "peers: {b: {}}", "hosts.b.peers.b", "a host is no peer of itself"),
        ("peers: {a: {}}", "peers: {z: {}}", "hosts.b.peers.z", "there is no host z"),
        ("udp://b:8443", "udp://bb:8443", "hosts.a.peers.b.endpoints.0", "a has no way to bb"),
        ("between: [a, b]", "from: a", "probes.0", "a probe has either `between`, or `among`, or `from` and `to`"),
        ("between: [a, b]", "from: a, to: a", "probes.0", "a probe needs two hosts"),
        ("between: [a, b]", "between: [a, z]", "probes.0", "there is no host z"),
    ],
)
def test_what_does_not_fit_together_is_shown_with_its_place(tmp_path: Path, old: str, new: str, place: str, message: str) -> None:
    assert old in GOOD
    found = problems(tmp_path, GOOD.replace(old, new, 1))
    assert (place, message) in [(path, said) for _, path, said in found]


NATTED = """\
lab: 1
name: three
links:
  - {name: wan, hosts: [a, home], ipv4: 192.0.2.0/24}
  - {name: lan, hosts: [home, b], ipv4: 198.51.100.0/24}
routers: {home: {nat: symmetric, outside: wan}}
hosts:
  a: {addresses: [10.1.0.1/24], listen: ["udp://0.0.0.0:8443"], peers: {b: {}}}
  b: {addresses: [10.1.0.2/24], peers: {a: {endpoints: ["udp://a:8443"]}}}
"""


def test_a_host_beyond_a_router_is_dialled_where_it_is(tmp_path: Path) -> None:
    lab = loaded(tmp_path, NATTED)
    assert endpoint_address(lab, "b", Endpoint("udp", "a", 1)) == "192.0.2.1"
    assert loaded(tmp_path, GOOD.replace("a: {addresses", "a: {behind: plain, addresses")).hosts["a"].behind == ("plain",)


@pytest.mark.parametrize(
    ("old", "new", "place", "message"),
    [
        ("home: {nat: symmetric, outside: wan}", "a: {}", "routers.a", "a host is called a, too"),
        ("{home: {", "{spare: {}, home: {", "routers.spare", "spare is on no wire"),
        ("[home, b]", "[a, b]", "routers.home", "home is on one wire"),
        ("outside: wan", "outside: dsl", "routers.home.outside", "home is not on a wire dsl"),
        ("symmetric, outside: wan", "symmetric", "routers.home", "home has no outer side"),
        (
            "ipv4: 192.0.2.0/24",
            'ipv6: "2001:db8::/64"',
            "routers.home.nat",
            "the wire wan has no IPv4 for symmetric to translate to",
        ),
        (
            "ipv4: 198.51.100.0/24",
            'ipv6: "2001:db8::/64"',
            "routers.home.nat",
            "behind home is no wire with IPv4, so symmetric has nothing to translate",
        ),
        ("[home, b]", "[home, c]", "links.1.hosts.1", "there is no host c"),
        ("a: {addresses", "a: {behind: round, addresses", "hosts.a.behind.0", ""),
    ],
)
def test_what_is_wrong_about_a_router_is_shown_with_its_place(
    tmp_path: Path, old: str, new: str, place: str, message: str
) -> None:
    assert old in NATTED
    found = problems(tmp_path, NATTED.replace(old, new, 1))
    assert [said for _, path, said in found if path == place and message in said], found


def test_behind_is_for_a_host_on_one_wire_that_can_be_translated(tmp_path: Path) -> None:
    twice = NATTED.replace("hosts: [home, b]", "hosts: [home, a, b]").replace("a: {addr", "a: {behind: plain, addr")
    assert ("hosts.a.behind", "a is on several wires") in [found[1:] for found in problems(tmp_path, twice)]
    six = GOOD.replace("ipv4: 192.0.2.0/24, ", "").replace("a: {addr", "a: {behind: [firewall, plain], addr")
    told = "a is on a wire without IPv4, so plain has nothing to translate"
    assert ("hosts.a.behind", told) in [found[1:] for found in problems(tmp_path, six)]


def test_wires_have_names_of_their_own_and_every_host_one(tmp_path: Path) -> None:
    twice = GOOD.replace("links: [", "links: [{name: wan, hosts: [a, b], ipv4: 198.51.100.0/24}, ")
    assert ("links.1.name", "another wire is called wan, too") in [found[1:] for found in problems(tmp_path, twice)]
    lonely = GOOD + "  - {probe: ping, between: [a, c]}\n"
    lonely = lonely.replace("probes:\n", "  c: {addresses: [10.1.0.3/24]}\nprobes:\n")
    assert ("hosts.c", "c is on no wire") in [found[1:] for found in problems(tmp_path, lonely)]


def test_a_missing_file_points_to_the_labs(tmp_path: Path) -> None:
    with pytest.raises(LabInvalid) as caught:
        load(tmp_path / "none.yaml")
    assert "profiles/lab" in caught.value.problems[0].hint
