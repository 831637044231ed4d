"""Where state lies: by variable, by user, by namespace."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.foundation import places
from appliance.linux.host import netns_cookie


def test_the_variable_wins() -> None:
    assert places.state_dir({"APPLIANCE_STATE_DIR": "/somewhere"}) == Path("/somewhere")


@pytest.mark.skipif(os.geteuid() != 0, reason="root's place")
def test_root_has_run() -> None:
    assert places.state_dir({}) == Path(f"/run/appliance/netns-{netns_cookie()}")


def test_others_have_their_runtime_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    cookie = netns_cookie()
    assert places.state_dir({"XDG_RUNTIME_DIR": "/run/user/1000"}) == Path(f"/run/user/1000/appliance/netns-{cookie}")
    assert places.state_dir({}) == Path(f"/tmp/appliance-1000/netns-{cookie}")


def test_it_is_made_for_this_user_alone(tmp_path: Path) -> None:
    made = places.ensure_state_dir({"APPLIANCE_STATE_DIR": str(tmp_path / "a" / "b")})
    assert made.stat().st_mode & 0o777 == 0o700
    assert places.ensure_state_dir({"APPLIANCE_STATE_DIR": str(made)}) == made


def test_the_control_socket_is_abstract() -> None:
    assert places.control_address().startswith("\0")


def test_and_has_a_place_beside_the_state_where_a_stranger_took_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPLIANCE_STATE_DIR", "/somewhere/state")
    assert places.control_path(places.state_dir()) == Path("/somewhere/state.control")
    assert places.control_paths() == [Path("/somewhere/state.control"), Path(f"/run/appliance/netns-{netns_cookie()}.control")]
