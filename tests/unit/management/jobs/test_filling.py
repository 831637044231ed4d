"""Values come into arguments as what they are, and nothing in them is looked through again."""

from __future__ import annotations

from appliance.management.jobs.filling import HIDDEN, fill, hide, names_in


def test_a_whole_value_keeps_its_type() -> None:
    values = {"n": 3, "yes": True, "text": "x"}
    assert fill({"a": "${n}", "b": ["${yes}"], "c": {"d": "${text}"}}, values) == {"a": 3, "b": [True], "c": {"d": "x"}}


def test_within_a_text_it_is_written_out() -> None:
    assert fill("peer-${n}.${yes}", {"n": 3, "yes": True}) == "peer-3.true"


def test_what_was_not_given_is_left_out() -> None:
    assert fill({"a": "${n}", "b": 1, "c": ["${n}", 2]}, {"n": None}) == {"b": 1, "c": [2]}


def test_a_value_is_never_looked_through() -> None:
    assert fill("${a}", {"a": "${b}", "b": "secret"}) == "${b}"
    assert fill("-${a}-", {"a": "${b}", "b": "secret"}) == "-${b}-"


def test_two_dollars_mean_none() -> None:
    assert fill("$${n} and ${n}", {"n": 1}) == "${n} and 1"
    assert list(names_in("$${n}")) == []


def test_keys_are_no_place_for_values() -> None:
    assert fill({"${n}": 1}, {"n": "x"}) == {"${n}": 1}


def test_names_are_found_with_whether_they_stand_alone() -> None:
    assert list(names_in({"a": "${x}", "b": ["-${y}"]})) == [("x", True), ("y", False)]


def test_secrets_are_hidden_in_texts_and_keys_the_longest_first() -> None:
    answer = {"said": "key hunter2hunter is hunter2", "hunter2": [1, None, "ok"]}
    assert hide(answer, ["hunter2", "hunter2hunter"]) == {"said": f"key {HIDDEN} is {HIDDEN}", HIDDEN: [1, None, "ok"]}


def test_an_empty_secret_hides_nothing() -> None:
    assert hide("text", [""]) == "text"
