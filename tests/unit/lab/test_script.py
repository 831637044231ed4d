from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from unit.lab.test_loading import loaded, problems

from appliance.lab.script import NEEDS, DeedKind, ProbeEntry, StepEntry

LAB = """\
lab: 1
name: three
links:
  - {name: wan, hosts: [a, b, c], ipv4: 192.0.2.0/24}
hosts:
  a: {addresses: [10.1.0.1/24]}
  b: {addresses: [10.1.0.2/24]}
  c: {addresses: [10.1.0.3/24], behind: plain}
steps:
  - {do: cut, wire: wan, apart: [[a], [b, c]]}
  - STEP
"""


def test_every_deed_says_what_it_needs() -> None:
    assert set(NEEDS) == set(get_args(DeedKind))


def test_a_step_is_a_probe_as_those_of_the_probes_are() -> None:
    step = StepEntry.model_validate({"probe": "path", "from": "a", "to": "b", "via": "direct", "within": "5s"})
    assert step.as_probe() == ProbeEntry.model_validate({"probe": "path", "from": "a", "to": "b", "via": "direct", "within": 5.0})


def test_each_speaks_to_each_other_one() -> None:
    probe = ProbeEntry.model_validate({"probe": "ping", "among": ["a", "b", "c"]})
    assert probe.directions == (("a", "b"), ("a", "c"), ("b", "a"), ("b", "c"), ("c", "a"), ("c", "b"))


@pytest.mark.parametrize(
    "step",
    [
        "{do: heal, wire: wan}",
        "{do: kill, host: a}",
        "{do: uplink, host: b, wire: wan}",
        "{do: flush, router: c-nat}",
        "{do: wait, seconds: 2s}",
        '{do: say, text: "hello"}',
        "{probe: ping, among: [a, b, c], within: 5s}",
        "{probe: path, from: a, to: b, via: c}",
    ],
)
def test_steps_are_read(tmp_path: Path, step: str) -> None:
    assert len(loaded(tmp_path, LAB.replace("STEP", step)).steps) == 2


@pytest.mark.parametrize(
    ("step", "place", "message"),
    [
        ("{}", "steps.1", "a step has either `probe` or `do`"),
        ("{do: kill, host: a, probe: ping}", "steps.1", "a step has either `probe` or `do`"),
        ("{do: kill}", "steps.1", "`kill` needs host"),
        ("{do: kill, host: z}", "steps.1.host", "there is no host z"),
        ("{do: kill, host: a, wire: wan}", "steps.1.wire", "`kill` has no wire"),
        ("{do: cut, wire: lan, apart: [[a], [b]]}", "steps.1.wire", "there is no wire lan"),
        ("{do: cut, wire: wan, apart: [[a], [a]]}", "steps.1.apart", "a host is in two groups"),
        ("{do: cut, wire: wan, apart: [[a], [z]]}", "steps.1.wire", "z is not on the wire wan"),
        ("{do: flush, router: a}", "steps.1.router", "there is no router a"),
        ("{do: heal, wire: lan}", "steps.1.wire", "there is no wire lan"),
        ("{probe: ping, among: [a, a]}", "steps.1", "a probe needs two hosts"),
        ("{probe: ping, from: a, among: [a, b]}", "steps.1", "a probe has either `between`, or `among`, or `from` and `to`"),
        ("{probe: ping, from: a, to: b, host: a}", "steps.1.host", "a probe has no host"),
        ("{probe: ping, from: a, to: b, via: direct}", "steps.1.via", "only a path has via"),
        ("{probe: ping, from: a, to: b, kept: true}", "steps.1.kept", "only a path and records can be kept"),
        ("{probe: ping, from: a, to: b, over: udp}", "steps.1.over", "only a path goes over a transport"),
        ("{probe: path, from: a, to: b, via: z}", "steps.1.via", "there is no host z"),
        ("{probe: record, from: a, to: b}", "steps.1", "`record` is for the members of a network"),
        ("{probe: identity, from: a, to: b}", "steps.1", "`identity` is for the members of a network"),
        ("{do: introduce, host: a, to: b}", "steps.1", "`introduce` is for the members of a network"),
        ("{do: introduce, host: a}", "steps.1", "`introduce` needs to"),
        ("{do: introduce, host: a, to: z}", "steps.1.to", "there is no host z"),
        ("{do: kill, host: a, to: b}", "steps.1.to", "`kill` has no to"),
        ("{probe: topic, from: a}", "steps.1", "topics are for the members of a network"),
        ("{probe: topic, from: a, to: b}", "steps.1", "a topic has `from`, and goes to all"),
        ("{probe: topic, among: [a, b]}", "steps.1", "a topic has `from`, and goes to all"),
        ("{probe: topic, from: z}", "steps.1.from", "there is no host z"),
    ],
)
def test_a_step_that_cannot_be_is_shown_with_its_place(tmp_path: Path, step: str, place: str, message: str) -> None:
    assert (place, message) in [found[1:] for found in problems(tmp_path, LAB.replace("STEP", step))]


def test_a_wire_that_nobody_cuts_cannot_heal(tmp_path: Path) -> None:
    text = LAB.replace("  - {do: cut, wire: wan, apart: [[a], [b, c]]}\n", "").replace("STEP", "{do: heal, wire: wan}")
    assert ("steps.0.wire", "no step cuts wan") in [found[1:] for found in problems(tmp_path, text)]
