"""Whatever the profile and the host: a plan arrives, arrives only once, and its revert leads back."""

from __future__ import annotations

from typing import Any

from hypothesis import given, reject
from hypothesis import strategies as st

from appliance.api.planning import HostState, Step
from appliance.api.profile import Profile
from appliance.errors import PlanError
from appliance.planning import own
from appliance.planning.diff import plan
from appliance.planning.revert import essence, refuse_irreversible, revert
from appliance.planning.simulate import after, connected_routes

IDENTITY = "llp1:" + "a" * 52
V4 = st.builds(lambda a, b: f"10.{a}.0.{b}/24", st.integers(8, 11), st.integers(1, 9))
V6 = st.builds(lambda a, b: f"fd00:{a}::{b}/64", st.integers(8, 11), st.integers(1, 9))
PREFIXES = st.one_of(
    st.builds(lambda a, b: f"10.{a}.{b}.0/24", st.integers(8, 40), st.integers(0, 3)),
    st.builds(lambda a: f"10.{a}.0.0/16", st.integers(8, 40)),
    st.builds(lambda a: f"fd00:{a}::/32", st.integers(8, 40)),
    st.just("0.0.0.0/0"),
)
SETTINGS = st.dictionaries(
    st.sampled_from(["net.core.somaxconn", "net.ipv4.ip_forward", "rp_filter", "net.ipv6.conf.all.forwarding"]),
    st.sampled_from(["0", "1", "2"]),
    max_size=3,
)
BITS = st.sampled_from(["0", "1"])


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    addresses = draw(st.lists(st.one_of(V4, V6), min_size=1, max_size=4, unique=True))
    interface = draw(st.sampled_from(["llp0", "llp0", "over0"]))
    settings = draw(SETTINGS)
    if "rp_filter" in settings:
        settings[f"net.ipv4.conf.{interface}.rp_filter"] = settings.pop("rp_filter")
    network: dict[str, Any] = {
        "interface": interface,
        "addresses": addresses,
        "mtu": draw(st.sampled_from([1280, 1400, 9000])),
        "workers": draw(st.sampled_from([1, 1, 2])),
        "forward": draw(st.booleans()),
        "clamp_mss": draw(st.booleans()),
        "masquerade": draw(st.lists(PREFIXES, max_size=2, unique=True)),
        "sysctls": settings,
        "routes": [
            {"to": to, "table": draw(st.sampled_from([None, 100])), "metric": draw(st.sampled_from([None, 7]))}
            for to in draw(st.lists(PREFIXES.filter(lambda text: text != "0.0.0.0/0"), max_size=3, unique=True))
        ],
        "rules": [
            {
                "priority": priority,
                "table": 100,
                **draw(st.sampled_from([{"fwmark": 7}, {"from": "10.0.0.0/8"}, {"to": "fd00::/16"}, {}])),
            }
            for priority in draw(st.lists(st.integers(1, 9), max_size=3, unique=True))
        ],
    }
    peers = [{"name": "one", "identity": IDENTITY, "allowed": draw(st.lists(PREFIXES, min_size=1, max_size=4, unique=True))}]
    return Profile.model_validate({"profile": 1, "network": network, "peers": draw(st.sampled_from([peers, []]))})


@st.composite
def hosts(draw: st.DrawFn) -> HostState:
    """A host with a network card, which may forward already."""
    settings = {
        "net.core.somaxconn": "4096",
        "net.ipv4.ip_forward": draw(BITS),
        "net.ipv6.conf.all.forwarding": draw(BITS),
        "net.ipv4.conf.all.accept_redirects": draw(BITS),
        "net.ipv4.conf.eth0.forwarding": draw(BITS),
        "net.ipv6.conf.eth0.forwarding": draw(BITS),
        "net.ipv6.conf.eth0.accept_ra": "1",
    }
    for link in ("default", *draw(st.sampled_from([[], ["llp0"]]))):
        settings |= {
            f"net.ipv4.conf.{link}.forwarding": draw(BITS),
            f"net.ipv4.conf.{link}.rp_filter": draw(BITS),
            f"net.ipv4.conf.{link}.promote_secondaries": draw(BITS),
            f"net.ipv6.conf.{link}.forwarding": draw(BITS),
            f"net.ipv6.conf.{link}.disable_ipv6": draw(BITS),
        }
    card = {
        "index": 2,
        "kind": "",
        "mtu": 1500,
        "up": True,
        "address": "52:54:00:00:00:01",
        "gso_max_size": 65536,
        "tx_queue_len": 1000,
        "tun": None,
    }
    default = {"via": "192.0.2.254", "link": "eth0", "table": 254, "source": None, "type": "unicast"}
    return HostState(
        links={"eth0": card},
        addresses=[{"link": "eth0", "address": "192.0.2.1/24", "scope": "global"}],
        routes=[
            *connected_routes("eth0", "192.0.2.1/24"),
            {"destination": "0.0.0.0/0", "metric": 100, "protocol": 16, **default},
            {"destination": "::/0", "metric": 1024, "protocol": draw(st.sampled_from([9, 16])), **default, "via": "fe80::1"},
        ],
        rules=[
            {"family": version, "priority": priority, "table": table, "action": "lookup", "protocol": 2}
            for version in (4, 6)
            for priority, table in ((0, 255), (32766, 254))
        ],
        sysctls=after_links_exist(settings),
        tools={"nft": "/usr/sbin/nft"},
    )


def after_links_exist(settings: dict[str, str]) -> dict[str, str]:
    """No interface, no settings of it."""
    return {key: value for key, value in settings.items() if ".llp0." not in key}


def applied(profile: Profile, host: HostState, steps: tuple[Step, ...] = ()) -> tuple[HostState, tuple[Step, ...]]:
    try:
        made = plan(profile, host, applied=steps)
    except PlanError:
        reject()
    refuse_irreversible(made, host)
    return after(host, [step.do for step in made.steps]), (*steps, *made.steps)


@given(profiles(), hosts())
def test_a_plan_arrives_and_its_revert_leads_back(profile: Profile, host: HostState) -> None:
    there, steps = applied(profile, host)

    assert plan(profile, there, applied=steps).steps == ()
    back = after(there, [step.do for step in revert(plan(profile, host)).steps])
    assert essence(back) == essence(after(host, ()))


@given(st.lists(profiles(), min_size=2, max_size=4), hosts())
def test_changing_the_profile_arrives_too_and_undoing_everything_leads_to_the_beginning(
    chain: list[Profile], host: HostState
) -> None:
    there, steps = host, ()
    for profile in chain:
        there, steps = applied(profile, there, steps)
        assert plan(profile, there, applied=steps).steps == ()

    back = after(there, [step.undo for step in reversed(steps)])
    assert essence(back) == essence(after(host, ()))


@given(profiles(), hosts())
def test_after_a_detour_the_host_is_as_it_would_have_been(profile: Profile, host: HostState) -> None:
    straight, _ = applied(profile, host)
    detour = profile.model_copy(update={"network": profile.network.model_copy(update={"mtu": 1500, "sysctls": {}, "rules": ()})})
    there, steps = applied(detour, host)
    there, _ = applied(profile, there, steps)
    assert without_inherited(essence(there)) == without_inherited(essence(straight))


def without_inherited(seen: dict[str, Any]) -> dict[str, Any]:
    """Our interface's forwarding depends on what was the default when it was made; nobody asked for either."""
    settings = {key: value for key, value in seen["settings"].items() if own.sysctl_link(key) in {None, "eth0"}}
    return seen | {"settings": settings}
