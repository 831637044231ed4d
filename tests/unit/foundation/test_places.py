"""Where state lies: by variable, by user, by namespace, by instance."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.errors import HostError
from appliance.foundation import places
from appliance.foundation.places import InstanceInvalid
from appliance.linux.machine import netns_cookie

GIVEN = {"APPLIANCE_STATE_DIR": "/somewhere/state"}
OFFICE = {"APPLIANCE_INSTANCE": "office"}


def test_the_variable_wins() -> None:
    assert places.state_dir({"APPLIANCE_STATE_DIR": "/somewhere"}) == Path("/somewhere")


@pytest.mark.skipif(os.geteuid() != 0, reason="root's place")
def test_root_has_run() -> None:
    assert places.state_dir({}) == Path(f"/run/appliance/netns-{netns_cookie()}")
    assert places.state_dir(OFFICE) == Path(f"/run/appliance/netns-{netns_cookie()}@office")


def test_others_have_their_runtime_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    cookie = netns_cookie()
    theirs = {"XDG_RUNTIME_DIR": "/run/user/1000"}
    assert places.state_dir(theirs) == Path(f"/run/user/1000/appliance/netns-{cookie}")
    assert places.state_dir({}) == Path(f"/tmp/appliance-1000/netns-{cookie}")
    assert places.control_address(theirs | OFFICE) == f"/run/user/1000/appliance/netns-{cookie}@office.control"


def test_it_is_made_for_this_user_alone(tmp_path: Path) -> None:
    made = places.ensure_state_dir({"APPLIANCE_STATE_DIR": str(tmp_path / "a" / "b")})
    assert made.stat().st_mode & 0o777 == 0o700
    assert places.ensure_state_dir({"APPLIANCE_STATE_DIR": str(made)}) == made


def test_one_that_another_may_turn_elsewhere_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "state").symlink_to(elsewhere)
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    with pytest.raises(PermissionError, match="belongs to somebody else"):
        places.ensure_state_dir({"APPLIANCE_STATE_DIR": str(tmp_path / "state")})


def test_the_node_without_a_name_is_found_at_an_abstract_address() -> None:
    assert places.control_address({}).startswith("\0")


def test_and_beside_the_state_where_a_stranger_took_it() -> None:
    assert places.control_path(places.state_dir(GIVEN)) == Path("/somewhere/state.control")
    assert places.control_addresses(GIVEN) == [
        "\0appliance",
        "/somewhere/state.control",
        f"/run/appliance/netns-{netns_cookie()}.control",
    ]


def test_an_instance_has_a_place_of_its_own_for_everything() -> None:
    named = GIVEN | OFFICE
    assert places.state_dir(named) == Path("/somewhere/state@office")
    assert places.kept_dir(named) == Path("/somewhere/state.kept/@office")
    assert places.kept_dir({"STATE_DIRECTORY": "/var/lib/appliance"} | OFFICE) == Path("/var/lib/appliance/@office")
    assert places.store_dir(named) == Path("/somewhere/state.kept-api/@office/store")
    assert places.control_address(named) == "/somewhere/state@office.control"
    assert places.control_addresses(named) == [
        "/somewhere/state@office.control",
        f"/run/appliance/netns-{netns_cookie()}@office.control",
    ]
    assert places.instance_of(places.state_dir(named)) == "office"
    assert places.instance_of(places.state_dir(GIVEN)) == ""


@pytest.mark.parametrize("name", ["../x", "a/b", ".", "", "Office", "-x", "a b", "a\nb", "a@b", "ö", "x" * 33, "a.control"])
def test_what_is_no_name(name: str) -> None:
    if not name:
        assert places.instance({"APPLIANCE_INSTANCE": name}) == ""
        return
    for place in (places.state_dir, places.kept_dir, places.control_address, places.control_addresses):
        with pytest.raises(InstanceInvalid):
            place({"APPLIANCE_INSTANCE": name})


def test_a_directory_that_would_be_taken_for_an_instance_s_is_refused() -> None:
    with pytest.raises(HostError, match="APPLIANCE_STATE_DIR"):
        places.state_dir({"APPLIANCE_STATE_DIR": "/somewhere/state@office"})


def test_the_others_of_a_namespace_are_known(tmp_path: Path) -> None:
    given = {"APPLIANCE_STATE_DIR": str(tmp_path / "state")}
    for name in ("state", "state@home", "state@office", "another", "another@cellar"):
        (tmp_path / name).mkdir()
    (tmp_path / "state@link").symlink_to(tmp_path / "another")
    for name in ("state@home.control", "state.control", "another@cellar.control"):
        (tmp_path / name).touch()
    assert places.other_state_dirs(tmp_path / "state") == {"home": tmp_path / "state@home", "office": tmp_path / "state@office"}
    assert places.other_state_dirs(tmp_path / "state@office") == {"": tmp_path / "state", "home": tmp_path / "state@home"}
    assert places.listening_instances(given | OFFICE) == ["home"]
