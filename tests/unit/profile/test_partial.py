from __future__ import annotations

from appliance.profile.document import Document, Source, lines_of
from appliance.profile.partial import without
from appliance.profile.yaml_reader import read_yaml

TEXT = "a: {b: 1, c: [1, 2]}\npeers: [{n: 0}, {n: 1}, {n: 2}]\nd.e: 1\n"


def document() -> Document:
    made, _ = read_yaml(TEXT, Source("n", lines=lines_of(TEXT)))
    assert made is not None
    return made


def test_a_key_goes_alone() -> None:
    rest, original = without(document(), ["a.b", "d.e", "not.there"])
    assert rest.tree == {"a": {"c": [1, 2]}, "peers": [{"n": 0}, {"n": 1}, {"n": 2}]}
    assert original("a.c") == "a.c"


def test_a_list_goes_whole_but_a_peer_alone() -> None:
    rest, original = without(document(), ["a.c.1", "peers.1.n"])
    assert rest.tree == {"a": {"b": 1}, "peers": [{"n": 0}, {"n": 2}], "d.e": 1}
    assert original("peers.1.n") == "peers.2.n"
    assert original("peers") == "peers"


def test_the_document_itself_is_not_touched() -> None:
    whole = document()
    without(whole, ["a.b", "peers.0"])
    assert whole.tree == document().tree
