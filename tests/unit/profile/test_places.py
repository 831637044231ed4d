from __future__ import annotations

from pathlib import Path

from appliance.profile.places import files_of


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("a: 1\n")


def names(root: Path, *paths: Path) -> list[str]:
    files, problems = files_of(paths, root)
    assert not problems
    return [str(file.relative_to(root)) for file in files]


def test_a_named_file_with_its_drop_ins(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "n.yaml",
        "n.yaml.d/20.toml",
        "n.yaml.d/10.yaml",
        "n.yaml.d/.hidden.yaml",
        "n.yaml.d/readme.txt",
        "etc/appliance/profile.yaml",
    )
    assert names(tmp_path, tmp_path / "n.yaml") == ["n.yaml", "n.yaml.d/10.yaml", "n.yaml.d/20.toml"]


def test_several_named_files_follow_each_other(tmp_path: Path) -> None:
    touch(tmp_path, "b.yaml", "a.toml", "b.yaml.d/1.yaml")
    assert names(tmp_path, tmp_path / "b.yaml", tmp_path / "a.toml") == ["b.yaml", "b.yaml.d/1.yaml", "a.toml"]


def test_the_last_folder_gives_the_base_and_all_give_drop_ins(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "usr/lib/appliance/profile.yaml",
        "usr/lib/appliance/profile.d/50-a.yaml",
        "run/appliance/profile.d/10-b.yaml",
        "etc/appliance/profile.toml",
        "etc/appliance/profile.d/50-a.yaml",
        "etc/appliance/profile.d/60-c.yaml",
    )
    (tmp_path / "etc/appliance/profile.d/60-c.yaml").write_text("")
    assert names(tmp_path) == [
        "etc/appliance/profile.toml",
        "run/appliance/profile.d/10-b.yaml",
        "etc/appliance/profile.d/50-a.yaml",
    ]


def test_nothing_at_all(tmp_path: Path) -> None:
    assert names(tmp_path) == []


def test_two_bases_in_one_folder(tmp_path: Path) -> None:
    touch(tmp_path, "etc/appliance/profile.yaml", "etc/appliance/profile.toml")
    _, problems = files_of((), tmp_path)
    assert "profile.yaml and profile.toml are both here" in problems[0].message
