"""What libyaml reads in a text is what ruamel.yaml reads there: the same values at the same places."""

from __future__ import annotations

from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from appliance.profile.document import Source, lines_of
from appliance.profile.yaml_reader import read_carefully, read_quickly

ROOT = Path(__file__).parents[2]
PROFILES = [path.read_text() for path in sorted(ROOT.glob("profiles/**/*.yaml"))]
INDICATORS = list("ab1:-?[]{}#&*!|>'\"%@`,=. \n\\~<é/+")
LINES = [
    "\n  ",
    "\n- ",
    "\n? ",
    ": ",
    "- ",
    " #",
    "a: ",
    "*a ",
    "&a ",
    "|-\n ",
    ">+\n ",
    "---",
    "...",
    "\n---\n",
    '"a": ',
    "b: 'c",
]
WORDS = ["\\u00e9", "\\\n", "''", "{}", "[]", "! ", "!!str ", "<<: *a"]
CHARACTERS = ["\t", "\r\n", "\x85", "\u2028", "\ufeff", "😀", "\xa0", "\u3000"]
PIECES = st.sampled_from([*INDICATORS, *LINES, *WORDS, *CHARACTERS])
TEXTS = st.lists(PIECES, max_size=30).map("".join)


def judge(text: str) -> bool:
    """Whether libyaml took it. If so, both documents are the same."""
    source = Source("t.yaml", lines=lines_of(text))
    quick = read_quickly(text, source)
    if quick is None:
        return False
    careful, problems = read_carefully(text, source)
    assert not problems
    assert careful is not None
    assert repr(quick.tree) == repr(careful.tree)  # and not by ==, to which 1 is True
    assert dict(quick.spots) == dict(careful.spots)
    return True


def test_every_profile_of_ours() -> None:
    assert PROFILES
    assert all(map(judge, PROFILES)), "a profile as people write them is read quickly"


@given(TEXTS)
@example("a: ! 12")
def test_any_text(text: str) -> None:
    judge(text)


@given(st.sampled_from(PROFILES), st.data())
def test_a_profile_with_some_pieces_changed(profile: str, data: st.DataObject) -> None:
    text = profile
    for _ in range(data.draw(st.integers(1, 3))):
        at, length = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, 6))
        text = text[:at] + data.draw(TEXTS.filter(lambda piece: len(piece) < 12)) + text[at + length :]
    judge(text)
