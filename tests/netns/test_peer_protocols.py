"""A stranger's peer protocol, the example of examples/plugins, between two real nodes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rigs import strangers

from appliance.errors import ExitCode
from tests.netns.daemons import Host

pytestmark = pytest.mark.netns

NAME = "question-and-answer"


@pytest.fixture
def known(tmp_path: Path) -> dict[str, str]:
    """The variables by which a command finds the example."""
    return strangers.known(NAME, tmp_path / "environment")


def speaking(**settings: object) -> str:
    """A profile's section; JSON is YAML."""
    return f"protocols: {json.dumps({NAME: settings}, ensure_ascii=False)}"


def figures(host: Host) -> dict[str, int]:
    found: dict[str, int] = host.status()["protocols"].get(NAME, {})
    return found


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_one_node_asks_and_the_other_answers(
    hosts: tuple[Host, Host], known: dict[str, str], tmp_path: Path, transport: str
) -> None:
    first, second = hosts
    notebook = tmp_path / "answers.json"
    first.write(second, plugins=NAME, more=speaking(facts={"moon": "full \U0001f315", "tide": "high"}))
    second.write(
        first,
        plugins=NAME,
        endpoints=f'"{transport}://192.0.2.1:8443"',
        more=speaking(questions=["moon", "tide", "weather"], notebook=str(notebook)),
    )
    first.start(**known)
    second.start(**known)
    assert second.pings("10.8.0.1")
    while figures(second).get("received", 0) < 3:
        pass
    assert json.loads(notebook.read_text()) == {"other": {"moon": "full \U0001f315", "tide": "high"}}
    assert figures(second) == {"asked": 3, "received": 3}
    assert figures(first) == {"received": 3, "answered": 2, "refused": 1}
    assert first.stop() == second.stop() == ExitCode.OK


def test_a_node_without_it_carries_traffic_all_the_same(hosts: tuple[Host, Host], known: dict[str, str]) -> None:
    first, second = hosts
    second.write(first, plugins=NAME, endpoints='"udp://192.0.2.1:8443"', more=speaking(questions=["moon"]))
    first.start()
    second.start(**known)
    assert second.pings("10.8.0.1")
    while not first.status()["handshakes"].get("control-unknown"):
        pass
    assert first.status()["protocols"] == {}
    assert figures(second) == {"asked": 1}
    assert second.command("status").returncode == ExitCode.OK


def test_a_reload_gives_it_other_facts_and_keeps_the_session(
    hosts: tuple[Host, Host], known: dict[str, str], tmp_path: Path
) -> None:
    first, second = hosts
    notebook = tmp_path / "answers.json"
    first.write(second, plugins=NAME, more=speaking(facts={}))
    first.start(**known)
    asks = {"questions": ["moon"], "notebook": str(notebook)}
    second.write(first, plugins=NAME, endpoints='"udp://192.0.2.1:8443"', more=speaking(**asks))
    second.start(**known)
    while figures(first).get("refused") != 1:
        pass
    session = second.status()["sessions"][0]["session"]
    first.write(second, plugins=NAME, more=speaking(facts={"moon": "new"}))
    assert first.command("apply", str(first.profile), **known).returncode == ExitCode.OK
    second.write(first, plugins=NAME, endpoints='"udp://192.0.2.1:8443"', more=speaking(**asks, facts={"sun": "up"}))
    assert second.command("apply", str(second.profile), **known).returncode == ExitCode.OK
    while not notebook.exists() or not notebook.read_text():  # it is there a moment before anything is in it
        pass
    assert json.loads(notebook.read_text()) == {"other": {"moon": "new"}}
    assert second.status()["sessions"][0]["session"] == session


def test_a_misspelt_key_is_found_before_anything_starts(hosts: tuple[Host, Host], known: dict[str, str]) -> None:
    first, second = hosts
    first.write(second, plugins=NAME, more=speaking(fact={"moon": "full"}))
    answer = first.command("check", str(first.profile), **known)
    assert answer.returncode == ExitCode.INVALID
    assert "protocols.question-and-answer.fact: unknown key" in answer.stdout + answer.stderr
