"""Twice the text is at most twice the work, whatever is in it: a profile is judged by a daemon that has other things to do."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.profile import ProfileInvalid, load
from appliance.profile.document import Document, Source, lines_of
from appliance.profile.layers import merge_files
from appliance.profile.yaml_reader import read_yaml
from tests.rigs.work import calls

FEW, SOME, MANY = 205, 405, 605
"""The same number more each time, more than there are problems that get words (200), and so far apart that a square shows."""
SLACK = 20
"""Calls: what libyaml skips is none."""
CPU_SECONDS = 30
"""For a word of 128 KiB in each text. By way of the square of its length one took an hour."""

LISTS: dict[str, Callable[[int], str]] = {
    "unknown keys.yaml": lambda n: "profile: 1\n" + "".join(f"k{i}: 1\n" for i in range(n)),
    "broken peers.toml": lambda n: "profile = 1\n" + "[[peers]]\nnme = 1\n" * n,
    "numbers.toml": lambda n: "profile = 1\nplugins = [" + "1, " * n + "]\n",
    "objects.json": lambda n: '{"profile": 1, "peers": [' + ", ".join(['{"name": 1}'] * n) + "]}",
    "comments.yaml": lambda n: "profile: 1\n" + "# a: [ 'b\n" * n + "x: 1\n",
    "comments.toml": lambda n: "profile = 1\n" + "# a = [ 'b\n" * n + "x = 1\n",
}
WORDS: dict[str, Callable[[int], str]] = {
    "word.yaml": lambda n: f"profile: 1\nname: {'a' * n}\n",
    "key.yaml": lambda n: f"profile: 1\n{'a' * n}: 1\n",
    "telling word.yaml": lambda n: f"profile: 1\nname: {'secret' * (n // 6)}\n",
    "dotted word.yaml": lambda n: f"profile: 1\nname: {'a.' * (n // 2)}\n",
    "comment.yaml": lambda n: f"profile: 1\nname: 1 # {'a' * n}\n",
    "tag.yaml": lambda n: f"profile: 1\nname: !{'a' * n} 1\n",
    "open quote.yaml": lambda n: f'profile: 1\nname: "{"a" * n}',
    "object.json": lambda n: f'{{"profile": 1, "name": "{"a-" * (n // 2)}"}}',
    "word.toml": lambda n: f'profile = 1\nname = "{"a" * n}"\n',
    "telling key.toml": lambda n: f"profile = 1\n{'token' * (n // 5)} = 1\n",
    "dotted key.toml": lambda n: f"profile = 1\n{'a.' * (n // 2)}a = 1\n",
    "dotted table.toml": lambda n: f"profile = 1\n[{'a.' * (n // 2)}a]\n",
    "float.toml": lambda n: f"profile = 1\nname = 0.{'1' * n}\n",
    "comment.toml": lambda n: f"profile = 1\nname = 1 # {'a' * n}\n",
}
JUDGE = """
import sys
from pathlib import Path
from appliance.profile import ProfileInvalid, load
for path in sys.argv[1:]:
    try:
        load([Path(path)], environ={})
    except ProfileInvalid as error:
        print(path, len(error.text()))
"""


def judged(path: Path, text: str) -> int:
    path.write_text(text)

    def judge() -> None:
        with pytest.raises(ProfileInvalid) as refused:
            load([path], environ={})
        refused.value.text()

    return calls(judge)


@pytest.mark.parametrize("name", LISTS)
def test_twice_the_text_is_twice_the_work(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    judged(path, LISTS[name](FEW))  # imports and caches
    few, some, many = (judged(path, LISTS[name](count)) for count in (FEW, SOME, MANY))
    assert many - some <= 1.3 * (some - few) + SLACK


def test_every_peer_may_be_a_file() -> None:
    def document(number: int) -> Document:
        text = f"profile: 1\npeers: [{{name: p{number}, allowed: [10.8.{number}.0/24]}}]\n"
        made, _ = read_yaml(text, Source(f"{number}.yaml", lines=lines_of(text)))
        assert made is not None
        return made

    files = [document(number) for number in range(MANY)]
    few, some, many = (calls(lambda count=count: merge_files(files[:count])) for count in (FEW, SOME, MANY))
    assert many - some <= 1.3 * (some - few) + SLACK


def test_a_very_long_word_takes_no_time(tmp_path: Path) -> None:
    for name, text in WORDS.items():
        (tmp_path / name).write_text(text(1 << 17))
    ended = subprocess.run(
        [sys.executable, "-c", JUDGE, *(tmp_path / name for name in WORDS)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS)),
    )
    assert ended.returncode == 0, f"judged before it ran out of time: {ended.stdout}{ended.stderr}"
    assert len(ended.stdout.splitlines()) == len(WORDS)


def test_more_values_than_a_profile_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.profile.yaml_reader.MAX_VALUES", 100)
    path = tmp_path / "profile.yaml"
    path.write_text("profile: 1\nplugins: [" + "1, " * 200 + "]\n")
    with pytest.raises(ProfileInvalid, match="more than 100 values"):
        load([path], environ={})
