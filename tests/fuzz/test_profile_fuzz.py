"""Whatever stands in a profile or its environment: a profile comes of it, or problems with places inside the text. Never
anything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appliance.profile import LoadedProfile, ProfileInvalid, enabled_plugins, load
from appliance.profile.document import lines_of
from appliance.profile.reading import read_bytes, reader_for

ROOT = Path(__file__).parents[2]
EXAMPLES = [path for path in sorted((ROOT / "profiles").iterdir()) if path.suffix in {".yaml", ".toml"}]
NAMES = st.sampled_from(["node.yaml", "node.toml"])
INDICATORS = st.text(st.sampled_from(list("ab1:-?[]{}#&*!|>'\"%@`,=. \n\t\r\\~<\u2028\x85é\x00")), max_size=60)


def judge(folder: Path, name: str, data: bytes, environ: Mapping[str, str] | None = None) -> LoadedProfile | ProfileInvalid:
    """Load it: a profile that knows its origins, or problems with sound places."""
    path = folder / name
    path.write_bytes(data)
    enabled_plugins([path], environ=environ or {})
    try:
        outcome: LoadedProfile | ProfileInvalid = load([path], environ=environ or {})
    except ProfileInvalid as error:
        outcome = error
    if isinstance(outcome, LoadedProfile):
        assert all(str(origin) for origin in outcome.origins.values())
    else:
        judge_problems(outcome, path, lines_of(data.decode("utf-8-sig", errors="replace")))
    return outcome


def judge_problems(error: ProfileInvalid, path: Path, lines: Sequence[str]) -> None:
    assert error.problems
    for problem in error.problems:
        if problem.line:
            assert problem.file == str(path)
            assert problem.line <= len(lines)
            assert 1 <= problem.col <= len(lines[problem.line - 1]) + 1
            assert problem.width >= 1
    assert all(char.isprintable() or char == "\n" for char in error.text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@given(NAMES, st.binary(max_size=200))
def test_any_bytes(folder: Path, name: str, data: bytes) -> None:
    judge(folder, name, data)


@given(NAMES, st.text(max_size=100) | INDICATORS)
@example("node.yaml", '"\\U11111111"')
@example("node.yaml", "%TAG ! x\n---\n!y z")
@example("node.yaml", "? ? ? a\n: : b")
@example("node.yaml", "&a : *a")
@example("node.toml", "a.b.c = 1\na.b = 2")
@example("node.toml", "[[a]]\n[a]\n")
def test_any_text(folder: Path, name: str, text: str) -> None:
    judge(folder, name, text.encode("utf-8", errors="surrogatepass"))


@given(st.sampled_from(EXAMPLES), st.data())
def test_a_profile_with_some_bytes_changed(folder: Path, path: Path, data: st.DataObject) -> None:
    text = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        length = data.draw(st.integers(0, 8))
        text[at : at + length] = data.draw(st.binary(max_size=6) | INDICATORS.map(str.encode))
    judge(folder, path.name, bytes(text))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["10.8.0.1/24", "udp://h:1", "5MB"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(EXAMPLES), st.data())
def test_a_profile_with_a_value_changed(folder: Path, path: Path, data: st.DataObject) -> None:
    """The shape stays a document, so this reaches validation and the checks across keys."""
    document, _ = read_bytes(path.read_bytes(), "n", reader_for(path))
    assert document is not None
    tree: dict[str, Any] = document.tree
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from([spot for spot in document.spots if spot]))
        put(tree, place, data.draw(VALUES))
    judge(folder, "node.yaml", yaml_of(tree).encode("utf-8", errors="replace"))


NAMED = st.sampled_from(
    ["A__B", "NETWORK__MTU", "PEERS__0", "LIMITS", "NETWORK__ADDRESSES", "MAIL__TOKEN_FILE", "____", "X__FILE_FILE"]
)


@given(st.dictionaries(NAMED.map("APPLIANCE_{}".format), st.text(max_size=30) | INDICATORS, max_size=4))
def test_any_environment(folder: Path, environ: dict[str, str]) -> None:
    clean = {name: value.replace("\0", "") for name, value in environ.items()}
    outcome = judge(folder, "node.toml", EXAMPLES[0].read_bytes(), clean)
    if isinstance(outcome, ProfileInvalid):
        assert all(problem.source_line == "" for problem in outcome.problems if problem.file.startswith("environment"))


def put(tree: Any, path: tuple[Any, ...], value: Any) -> None:
    """Set what is at the path, where it is still there."""
    *parents, last = path
    for step in parents:
        try:
            tree = tree[step]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(tree, dict) or (isinstance(tree, list) and isinstance(last, int) and last < len(tree)):
        tree[last] = value


def yaml_of(value: Any) -> str:
    """Flow style; keys and text in double quotes as JSON writes them."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(str(key))}: {yaml_of(child)}" for key, child in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(yaml_of, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "~", True: "true", False: "false"}[value]
    return quoted(value) if isinstance(value, str) else str(value).replace("inf", ".inf").replace("nan", ".nan")


def quoted(text: str) -> str:
    return '"' + "".join(char if char.isalnum() and char.isascii() else f"\\U{ord(char):08x}" for char in text) + '"'
