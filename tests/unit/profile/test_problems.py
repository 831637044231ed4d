from __future__ import annotations

import json
import re

import pytest

from appliance.errors import ExitCode
from appliance.profile.document import Source
from appliance.profile.problems import LocatedProblem, ProfileInvalid, at, headline, in_order, mask

SOURCE = Source("f.yaml", lines=("name: x", "", "\tkey: välue"))


def test_the_caret_stands_below_what_is_wrong() -> None:
    problem = at(SOURCE, 3, 7, "bad", "do better", path=("key",), width=5)
    assert ProfileInvalid([problem]).text().splitlines() == [
        "f.yaml:3:7: key: bad",
        "    3 |  key: välue",
        "      |       ^^^^^",
        "      = do better",
        "1 problem",
    ]


def test_colour_adds_nothing_but_colour() -> None:
    error = ProfileInvalid([at(SOURCE, 1, 1, "bad", "hint", width=4)])
    assert re.sub(r"\x1b\[\d*m", "", error.text(color=True)) == error.text()


def test_wide_characters_take_two_columns() -> None:
    line = at(Source("f", lines=('a: "日本" x',)), 1, 9, "bad")
    assert ProfileInvalid([line]).text().splitlines()[2].index("^") == len("      | ") + 10


def test_a_long_line_is_shown_around_its_caret() -> None:
    line = "x " * 250 + "HERE" + " y" * 250
    shown = ProfileInvalid([at(Source("f", lines=(line,)), 1, 501, "bad", width=4)]).text().splitlines()
    start = shown[2].index("^")
    assert shown[1][start : start + 4] == "HERE"
    assert len(shown[1]) < 140


def test_control_characters_do_not_reach_the_terminal() -> None:
    rendered = ProfileInvalid([at(Source("f", lines=("a\x1b[2Jb",)), 1, 1, "bad \x1b]0;x\x07")]).text()
    assert "\x1b" not in rendered
    assert "\x07" not in rendered


@pytest.mark.parametrize(("line", "col"), [(0, 0), (99, 1), (1, 99), (-1, -1), (2, 5)])
def test_a_place_outside_moves_to_the_nearest_end(line: int, col: int) -> None:
    problem = at(SOURCE, line, col, "bad", width=50)
    assert 1 <= problem.line <= 3
    text = SOURCE.lines[problem.line - 1]
    assert 1 <= problem.col <= len(text) + 1
    assert problem.col + problem.width <= max(len(text), problem.col) + 1


@pytest.mark.parametrize(
    ("line", "hidden"),
    [
        ("token: abc", "abc"),
        ('  {api_key: "x y", b: 1}', "x y"),
        ("smtp_password = 'p'", "'p'"),
        ("MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g", "MC4CAQAwBQYDK2VwBCIEIJ1"),
        ("note: MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g", "MC4CAQ"),
    ],
)
def test_what_looks_like_a_secret_is_masked(line: str, hidden: str) -> None:
    assert hidden not in mask(line)
    assert len(mask(line)) == len(line)


@pytest.mark.parametrize(
    "line", ["identity: llp1:" + "a" * 52, "identity: file:/etc/appliance/keys/of/this/node/which/has/a/long/name", "mtu: 1400"]
)
def test_what_is_public_is_shown(line: str) -> None:
    assert mask(line) == line


def test_an_error_speaks_for_itself() -> None:
    problems = [LocatedProblem("f", 2, 1, "a", "one", "do this"), LocatedProblem("f", 3, 1, "b", "two")]
    error = ProfileInvalid([*problems, problems[0]])
    assert error.problems == tuple(problems)
    assert str(error) == "the profile has 2 problems, the first: f:2:1: a: one"
    assert error.hint == "do this"
    assert error.exit_code == ExitCode.INVALID
    assert error.document()["problems"][0]["line"] == 2
    assert ProfileInvalid.of(json.loads(json.dumps(error.document()))).problems == error.problems


def test_headlines_leave_out_what_is_unknown() -> None:
    assert headline(LocatedProblem("environment X", 0, 0, "a.b", "bad")) == "environment X: a.b: bad"
    assert headline(LocatedProblem("f", 0, 0, "", "bad")) == "f: bad"


def test_order_is_that_of_the_text_file_by_file() -> None:
    given = [LocatedProblem("z", 9, 1, "", "m"), LocatedProblem("a", 5, 1, "", "m"), LocatedProblem("z", 2, 3, "", "m")]
    assert [(problem.file, problem.line) for problem in in_order(given)] == [("z", 2), ("z", 9), ("a", 5)]
