"""What the parts of the daemon are told of a profile."""

from __future__ import annotations

from appliance.api.profile import Profile
from appliance.plugin_host import PluginHost
from appliance.runtime import settings

PEER = "llp1:" + "a" * 52


def profile(**sections: object) -> Profile:
    return Profile.model_validate({"profile": 1, "network": {"addresses": ["10.8.0.1/24"]}, **sections})


def test_the_node_is_told_every_limit_and_policy() -> None:
    told = settings.node_settings(
        profile(
            limits={
                "sessions": 7,
                "idle": "9s",
                "handshakes_per_second": 11,
                "reassembly_bytes": "80KB",
            },
            crypto={"suites": ["hse"], "pq": "prefer", "rotate": {"after": "5min"}},
        )
    )
    assert (told.max_sessions, told.idle, told.handshakes_per_second, told.reassembly_bytes) == (7, 9.0, 11, 80_000)
    assert (told.suites, told.pq, told.rotate_after) == (("hse",), "prefer", 300.0)


def test_a_datagram_is_automatic_unless_the_profile_says_how_long() -> None:
    network = {"addresses": ["10.8.0.1/24"]}
    assert settings.datagram_bytes(profile()) is None
    assert settings.datagram_bytes(profile(network={**network, "datagram": 1200})) == 1200


def test_suites_that_protect_nothing_are_for_laboratories() -> None:
    plugins = PluginHost.load(["crypto-standard"])
    assert "null" not in {suite.name for suite in settings.usable_suites(profile(), plugins)}
    assert "null" in {suite.name for suite in settings.usable_suites(profile(crypto={"lab": True}), plugins)}


def test_a_session_and_its_predecessor_fit_into_the_worker() -> None:
    assert settings.worker_slots(profile(limits={"sessions": 500})) > 1000
