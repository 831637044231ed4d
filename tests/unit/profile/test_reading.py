from __future__ import annotations

from pathlib import Path

import pytest

from appliance.profile.reading import MAX_BYTES, read_file


def only_message(path: Path) -> str:
    document, problems = read_file(path)
    assert document is None
    assert len(problems) == 1
    return f"{problems[0].message} | {problems[0].hint}"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("n.yaml", b"", "the file is empty"),
        ("n.yaml", b"# only a comment\n", "the file is empty"),
        ("n.toml", b"", "the file is empty"),
        ("n.yaml", b"- a\n", "a mapping of keys"),
        ("n.yaml", b"text", "a mapping of keys"),
        ("n.yaml", b"a: \xff", "not UTF-8"),
        ("n.yaml", "profile: 1".encode("utf-16"), "UTF-16"),
        ("n.toml", b"a = '\xe4'", "not UTF-8"),
        ("n.yaml", b"#" * (MAX_BYTES + 1), "larger than 4096 KiB"),
    ],
)
def test_refused(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert told in only_message(path)


def test_the_place_of_what_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "n.yaml"
    path.write_bytes("a: 1\nbä: \xff".encode("latin-1"))
    _, problems = read_file(path)
    assert (problems[0].line, problems[0].col) == (2, 2)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    assert "No such file" in only_message(tmp_path / "none.yaml")
    assert "appliance init" in only_message(tmp_path / "none.yaml")
    assert "directory" in only_message(tmp_path)


def test_a_byte_order_mark_is_no_content(tmp_path: Path) -> None:
    path = tmp_path / "n.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    document, problems = read_file(path)
    assert document is not None
    assert document.tree == {"a": 1}
    assert not problems


def test_json_is_yaml(tmp_path: Path) -> None:
    path = tmp_path / "n.json"
    path.write_text('{"a": [1, true, null, "x"]}')
    document, _ = read_file(path)
    assert document is not None
    assert document.tree == {"a": [1, True, None, "x"]}
