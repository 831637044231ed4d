from __future__ import annotations

from functools import reduce
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from appliance.profile.document import Document, Source, Spot, dotted, lines_of, walk
from appliance.profile.layers import merge_files, overlay
from appliance.profile.yaml_reader import read_yaml


def document(name: str, text: str) -> Document:
    made, problems = read_yaml(text, Source(name, lines=lines_of(text)))
    assert made is not None
    assert not problems
    return made


def origins(merged: Document) -> dict[str, str]:
    return {dotted(path): spot.source.name for path, spot in merged.spots.items()}


def test_mappings_are_merged_and_the_rest_replaced() -> None:
    base = document("base", "a: {x: 1, y: [1, 2, 3]}\nb: {z: 1}\nc: 1\n")
    over = document("over", "a: {y: [9], w: 0}\nb: 5\n")
    merged = overlay(base, over)
    assert merged.tree == {"a": {"x": 1, "y": [9], "w": 0}, "b": 5, "c": 1}
    assert origins(merged) == {
        "": "base",
        "a": "base",
        "a.x": "base",
        "a.y": "over",
        "a.y.0": "over",
        "a.w": "over",
        "b": "over",
        "c": "base",
    }


TREES = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(
        st.integers(0, 3),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=3,
)


@given(st.lists(TREES, min_size=2, max_size=4))
def test_files_are_merged_as_the_environment_is_laid_over_them(trees: list[dict[str, Any]]) -> None:
    files = [
        Document(tree, {path: Spot(Source(str(number)), 1, 1, 1, 1, 1, 1) for path, _ in walk(tree)})
        for number, tree in enumerate(trees)
    ]
    before = repr(trees)
    merged, laid = merge_files(files), reduce(overlay, files)
    assert merged.tree == laid.tree
    assert dict(merged.spots) == dict(laid.spots)
    assert repr(trees) == before, "what was read stays as it was"


def test_a_mapping_in_place_of_a_value() -> None:
    merged = overlay(document("base", "a: [1]\n"), document("over", "a: {x: 1}\n"))
    assert merged.tree == {"a": {"x": 1}}
    assert origins(merged) == {"": "base", "a": "over", "a.x": "over"}


def test_every_value_of_a_merged_document_has_a_place() -> None:
    merged = overlay(document("base", "a: {x: {q: 1}}\n"), document("over", "a: {x: {r: [1, {s: 2}]}, t: ~}\n"))
    for path in merged.spots:
        assert path == () or merged.at(path) is not None or path == ("a", "t")


def test_peers_of_drop_ins_add_up_by_name() -> None:
    base = document("base", "peers: [{name: a, k: 1, m: 1}, {name: b}]\n")
    first = document("first", "peers:\n  - {name: c}\n  - {name: a, k: 2}\n")
    second = document("second", "peers: [{name: c, k: 3}, {nameless: 1}]\nother: 1\n")
    merged = merge_files([base, first, second])
    assert merged.tree["peers"] == [{"name": "a", "k": 2}, {"name": "b"}, {"name": "c", "k": 3}, {"nameless": 1}]
    found = origins(merged)
    assert (found["peers.0.k"], found["peers.1.name"], found["peers.2.k"], found["peers.3.nameless"]) == (
        "first",
        "base",
        "second",
        "second",
    )
    assert "peers.0.m" not in found


def test_the_same_peer_twice_in_one_drop_in_stays_twice() -> None:
    base = document("base", "peers: [{name: a}]\n")
    merged = merge_files([base, document("over", "peers: [{name: a, k: 1}, {name: a, k: 2}]\n")])
    assert [peer["k"] for peer in merged.tree["peers"]] == [1, 2]


def test_peers_that_are_no_list_are_left_to_validation() -> None:
    merged = merge_files([document("base", "peers: 5\n"), document("over", "peers: [{name: a}]\n")])
    assert merged.tree == {"peers": [{"name": "a"}]}
