from __future__ import annotations

import os
from pathlib import Path

from appliance.foundation.contents import SHOWN_TYPES, contents, descriptors


class Rare:
    """Of which there are very many for a moment."""

    def __init__(self) -> None:
        self.text = "correct horse battery staple"


def test_objects_are_counted_by_type_and_not_shown() -> None:
    kept = [Rare() for _ in range(200_000)]
    found = contents()
    counts = {each["type"]: each["count"] for each in found["types"]}
    assert counts[f"{Rare.__module__}.Rare"] == len(kept)
    assert found["objects"] > len(kept)
    assert len(found["types"]) <= SHOWN_TYPES
    assert "horse" not in str(found)
    assert found["threads"]["MainThread"] == 1


def test_descriptors_by_kind() -> None:
    before = descriptors()
    ends = os.pipe()
    shared = os.memfd_create("of-the-test")
    after = descriptors()
    for each in (*ends, shared):
        os.close(each)
    assert after["pipe"] == before["pipe"] + 2
    assert after["memfd"] == before["memfd"] + 1
    assert "of-the-test" not in str(after)


def test_where_proc_is_hidden_there_are_none(tmp_path: Path) -> None:
    assert not descriptors(tmp_path / "nothing")
    (tmp_path / "3").symlink_to("/var/secret/file")
    (tmp_path / "4").symlink_to("socket:[123]")
    (tmp_path / "5").write_text("no link: it was closed, and something else has its number")
    assert descriptors(tmp_path) == {"file": 1, "socket": 1}
