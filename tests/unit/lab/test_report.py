from __future__ import annotations

import io
import json

from rigs.labs import bare

from appliance.lab.definition import MeshEntry
from appliance.lab.probing import Result, questions
from appliance.lab.report import Report, value_text
from appliance.lab.telling import Progress, Story

GOOD = Result("ping-v4", "left", "right", ok=True, value=0.4, unit="ms", detail="5 of 5 came back")
BAD = Result("mtu-v4", "left", "right", ok=False, value=1400, unit="bytes", detail="wrong at 1400 bytes")
HOST = {"name": "left", "sessions": [{"peer": "right", "suite": "aes-256-gcm", "pq": True, "endpoint": "udp://192.0.2.1:1"}]}


def test_all_well() -> None:
    report = Report("pair", hosts=[HOST], results=[GOOD])
    assert report.ok
    assert json.loads(json.dumps(report.document()))["probes"] == [GOOD.document()]
    assert "lab pair: ok" in report.text()
    assert "aes-256-gcm" in report.text()


def test_a_failed_probe_a_trace_or_a_problem_is_not_ok() -> None:
    assert not Report("pair", results=[GOOD, BAD]).ok
    assert "1 of 2 probes failed" in Report("pair", results=[GOOD, BAD]).text()
    left = Report("pair", results=[GOOD], left_behind=["namespace x"])
    assert not left.ok
    assert "LEFT BEHIND: namespace x" in left.text()
    broken = Report("pair", problem="no session", logs="/tmp/logs")
    assert not broken.ok
    assert "no session" in broken.text()
    assert "/tmp/logs" in broken.text()


def test_values_are_readable() -> None:
    assert value_text(GOOD) == "0.4 ms"
    assert value_text(Result("x", "a", "b", ok=True, value=4200.0, unit="Mbit/s")) == "4.20 Gbit/s"
    assert value_text(Result("x", "a", "b", ok=True)) == ""


def test_questions_come_in_both_families_and_directions() -> None:
    lab = bare("a", "b", probes=[{"probe": "ping", "between": ["a", "b"]}, {"probe": "transfer", "from": "a", "to": "b"}])
    asked = [(each.name, each.source, each.target) for each in questions(lab)]
    assert asked == [
        ("ping-v4", "a", "b"),
        ("ping-v6", "a", "b"),
        ("ping-v4", "b", "a"),
        ("ping-v6", "b", "a"),
        ("transfer-1MiB-v4", "a", "b"),
        ("transfer-1MiB-v6", "a", "b"),
    ]
    assert [each.name for each in questions(lab, "transfer")] == ["transfer-1MiB-v4", "transfer-1MiB-v6"]
    assert [each.source for each in questions(lab, "ping-v6")] == ["a", "b"]


def test_a_topic_is_asked_for_once_and_goes_to_all() -> None:
    lab = bare("a", "b", probes=[{"probe": "topic", "from": "a"}])
    lab = lab.model_copy(update={"mesh": MeshEntry(label="home", founder="a")})
    assert [(each.name, each.source, each.target, each.version) for each in questions(lab)] == [("topic", "a", "*", 4)]


def test_progress_and_story_tell_failures() -> None:
    for teller, said in ((Progress("pair", out := io.StringIO()), out), (Story(out := io.StringIO()), out)):
        teller.probed(GOOD)
        teller.probed(BAD)
        teller.ended(Report("pair", results=[GOOD, BAD], left_behind=["process 7"], logs="/tmp/logs"))
        text = said.getvalue()
        assert "FAILED" in text
        assert "wrong at 1400 bytes" in text
        assert "process 7" in text
