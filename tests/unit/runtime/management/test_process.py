"""The folder of what the API server keeps."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.errors import HostError
from appliance.linux.privileges import API_USER, ids
from appliance.runtime.management.process import check_libraries, make_folder


def test_it_is_the_api_servers_alone(tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    make_folder(outer / "api")
    made = outer / "api"
    assert made.stat().st_mode & 0o777 == 0o700
    assert made.stat().st_uid == (ids(API_USER)[0] if os.geteuid() == 0 else os.geteuid())


def test_where_it_is_the_api_servers_already_nothing_is_given_away(tmp_path: Path) -> None:
    folder = tmp_path / "api"
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(folder, *ids(API_USER))
    before = folder.stat()
    make_folder(folder)
    make_folder(folder / "instance")
    assert folder.stat() == before
    assert not (folder / "instance").exists(), "the API server makes it"


def test_what_is_not_installed_is_named_with_the_extra_that_has_it() -> None:
    with pytest.raises(HostError, match=r"no_such_library.*`grpc`") as raised:
        check_libraries(("json", "no_such_library"), "grpc", "management.grpc out")
    assert raised.value.hint == "pip install 'appliance[grpc]', or take management.grpc out of the profile"
