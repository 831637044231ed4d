from __future__ import annotations

from pathlib import Path

import pytest

from appliance.errors import HostError
from appliance.lab.guests import network_files
from appliance.lab.guests.cache import Cache
from appliance.lab.guests.guest import Guest
from appliance.lab.guests.image import Image
from appliance.lab.namespace import Namespace


def test_without_a_snapshot_of_such_a_machine_it_boots(tmp_path: Path) -> None:
    saved = image(tmp_path)
    assert guest(saved, tmp_path).can_restore
    for other in (guest(saved, tmp_path, memory=512), guest(saved._replace(snapshot=None), tmp_path)):
        assert not other.can_restore
        with pytest.raises(HostError, match="no snapshot of a machine of this kind"):
            other.restore()


def test_a_machine_that_is_off_hears_nothing(tmp_path: Path) -> None:
    off = guest(image(tmp_path), tmp_path)
    assert not off.running
    off.cut_power()
    for deed in (off.pause, off.resume):
        with pytest.raises(HostError, match="left is not running"):
            deed()
    assert off.console_tail() == ""


def test_a_guest_has_as_many_wires_as_its_image_waits_for(tmp_path: Path) -> None:
    full = guest(image(tmp_path), tmp_path)
    for number in range(network_files.MOST_CARDS):
        full.connect_card(f"tap{number}", f"52:54:00:00:02:{number:02x}", wire=f"wire{number}")
    with pytest.raises(HostError, match="at most 8 wires"):
        full.connect_card("tap9", "52:54:00:00:02:09", wire="one more")


def test_an_image_stays_while_a_guest_has_it(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    user = guest(image(tmp_path), tmp_path)
    assert cache.prune("image-*", keep=0) == []
    user.remove()
    assert cache.prune("image-*", keep=0) == ["image-bookworm"]


def image(cache: Path) -> Image:
    folder = cache / "image-bookworm"
    folder.mkdir()
    return Image("bookworm", "amd64", folder / "kernel", folder / "initial", folder / "disk", folder / "ready", cache / "key")


def guest(made: Image, folder: Path, *, memory: int = 448) -> Guest:
    return Guest("left", made, folder, Namespace("lab-1-1-1-left"), memory=memory, tag_env={})
