"""The guard's lookup against the kernel's own: `ip route get` is the judge."""

from __future__ import annotations

import ipaddress
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from appliance.api.planning import HostState
from appliance.linux.netlink import Netlink
from appliance.linux.observe import observe
from appliance.planning.reachability import Way, way
from appliance.planning.wanted import Wanted
from tests.netns.throwaway import Throwaway

pytestmark = pytest.mark.netns

HOST = """
for number in 0 1 2; do
  ip link add eth$number type veth peer name far$number; ip link set far$number up; ip link set eth$number up
  ip addr add 10.$number.0.1/24 dev eth$number; ip addr add fd00:$number::1/64 dev eth$number nodad
done
"""
LINKS = st.sampled_from(["eth0", "eth1", "eth2"])
PREFIXES = st.builds(
    lambda a, b, n: (f"10.{a}.{b}.0", n),
    st.integers(0, 3),
    st.sampled_from([0, 64, 128]),
    st.sampled_from([0, 8, 15, 16, 17, 24]),
)


@st.composite
def routes(draw: st.DrawFn) -> str:
    (base, length), link, table, metric = draw(PREFIXES), draw(LINKS), draw(st.sampled_from([100, 254])), draw(st.integers(0, 2))
    kind = draw(st.sampled_from(["dev", "dev", "via", "blackhole", "throw"]))
    where = {"dev": f"dev {link}", "via": f"via 10.{link[-1]}.0.254 dev {link}"}.get(kind, "")
    action = kind if kind in {"blackhole", "throw"} else ""
    prefix = ipaddress.ip_network(f"{base}/{length}", strict=False)
    return f"ip route replace {action} {prefix} {where} table {table} metric {metric}"


@st.composite
def rules(draw: st.DrawFn) -> str:
    where = draw(
        st.sampled_from(
            ["to 10.0.0.0/8", "to 10.2.0.0/15", "from 10.1.0.1", "fwmark 7", "not fwmark 7", "not to 10.1.0.0/16", ""]
        )
    )
    table = draw(st.sampled_from(["100", "254", "254 suppress_prefixlength 15"]))
    return f"ip rule add {where} lookup {table} priority {draw(st.integers(1, 500))}"


async def look() -> HostState:
    async with Netlink() as netlink:
        return await observe(Wanted(), netlink)


def asked(namespace: Throwaway, remote: str, local: str, mark: int) -> Way:
    source = (f"from {local} " if local else "") + (f"mark {mark}" if mark else "")
    text = namespace.sh(f"ip -j route get {remote} {source} 2>/dev/null || true", check=False)
    if not text.strip() or not json.loads(text):
        return Way("", "")
    [route] = json.loads(text)
    return Way("lo" if route.get("type") == "local" else route.get("dev", ""), route.get("gateway", ""))


@settings(max_examples=15)
@given(st.lists(routes(), max_size=6), st.lists(rules(), max_size=3, unique_by=lambda rule: rule.split()[-1]))
@example(
    ["ip route replace blackhole 0.0.0.0/0 table 254", "ip route replace 0.0.0.0/0 dev eth0 table 100"],
    ["ip rule add lookup 254 suppress_prefixlength 15 priority 1", "ip rule add lookup 100 priority 2"],
)
def test_the_lookup_agrees_with_the_kernel(changes: list[str], policies: list[str]) -> None:
    with Throwaway() as namespace:
        namespace.sh(HOST + "\n".join([*changes, *policies]))
        state = namespace.run(look)
        for remote in ("10.0.0.9", "10.1.77.7", "10.2.130.1", "10.3.64.5", "10.200.0.1", "192.0.2.1", "10.1.0.1"):
            for local, mark in (("", 0), ("", 7), ("10.1.0.1", 0)):
                ours, kernel = way(state, remote, local, mark), asked(namespace, remote, local, mark)
                if remote == "10.1.0.1":
                    assert ours.link == "eth1"
                    assert kernel.link in {"lo", "eth1"}
                    continue
                assert (ours.link, ours.via if ours.link else "") == kernel, f"{remote} from {local or 'anywhere'}, mark {mark}"
