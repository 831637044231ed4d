from __future__ import annotations

import pytest

from appliance.foundation import stacks
from appliance.foundation.stacks import DEEPEST, OTHERS, Stacks, frame_name, short


def seen(*samples: str) -> Stacks:
    found = Stacks()
    for sample in samples:
        found.add(sample.split())
    return found


def test_stacks_and_functions_with_the_most_frequent_first() -> None:
    told = seen("main turn read", "main turn read", "main turn", "main").document()
    assert told["stacks"] == ["main;turn;read 2", "main;turn 1", "main 1"]
    assert told["functions"] == [
        {"function": "read", "self": 2, "total": 2},
        {"function": "main", "self": 1, "total": 4},
        {"function": "turn", "self": 1, "total": 3},
    ]
    assert told["samples"] == 4


def test_one_that_calls_itself_is_there_once_a_sample() -> None:
    assert seen("main again again again").document()["functions"][0] == {"function": "again", "self": 1, "total": 1}


def test_only_the_innermost_frames_of_a_deep_one_are_kept() -> None:
    deep = seen(" ".join(f"f{number}" for number in range(DEEPEST + 50))).document()["stacks"][0]
    assert deep.startswith("f50;")
    assert deep.endswith(f"f{DEEPEST + 49} 1")


def test_however_many_there_are_memory_is_bounded_and_no_sample_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "MOST_STACKS", 10)
    found = seen(*(f"main f{number}" for number in range(100)))
    told = found.document()
    counts = {line.rpartition(" ")[0]: int(line.rpartition(" ")[2]) for line in told["stacks"]}
    assert len(counts) == 21
    assert sum(counts.values()) == 100
    assert counts["main;f9"] == counts["f10"] == 1
    assert counts[OTHERS] == 80


def test_a_program_that_was_nowhere() -> None:
    assert seen("").document()["stacks"] == [f"{OTHERS} 1"]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("/srv/x/.venv/lib/python3.11/site-packages/pydantic/main.py", "pydantic/main.py"),
        ("/usr/lib/python3/dist-packages/yaml/reader.py", "yaml/reader.py"),
        ("/usr/lib/python3.11/asyncio/events.py", "python3.11/asyncio/events.py"),
        ("/home/somebody/appliance/worker/loop.py", "appliance/worker/loop.py"),
        ("/home/somebody/src/appliance_transport_ip/tcp.py", "appliance_transport_ip/tcp.py"),
        ("/opt/odd/place/tool.py", "place/tool.py"),
        ("<frozen runpy>", "<frozen runpy>"),
    ],
)
def test_files_are_named_as_they_are_imported(file: str, name: str) -> None:
    assert short(file) == name


def test_a_name_never_ends_a_frame() -> None:
    assert frame_name("a;b", "/opt/x/y.py", 3) == "a,b (x/y.py:3)"
