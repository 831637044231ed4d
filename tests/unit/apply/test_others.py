"""What another node of this network namespace has is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.api.planning import Action, Step
from appliance.apply.journal import Journal
from appliance.apply.others import refuse_others
from appliance.errors import PlanError
from appliance.linux import machine
from appliance.planning.own import Owner
from appliance.planning.revert import step

MADE = step(Action("tun.create", {"name": "llp0"}), Action("link.delete", {"name": "llp0"}))
FOUND = step(Action("address.add", {"link": "llp0", "address": "10.8.0.1/24"}), Action("address.remove", {"link": "llp0"}))


@pytest.fixture
def node(tmp_path: Path) -> Callable[..., Path]:
    """Makes the state directory of an instance with these steps in force."""

    def make(name: str, *steps: Step) -> Path:
        directory = tmp_path / (f"netns-7@{name}" if name else "netns-7")
        directory.mkdir()
        if steps:
            journal = Journal(directory, boot_id=machine.boot_id(), netns=machine.netns_cookie())
            journal.will(journal.begin(steps), *range(len(steps)))
        return directory

    return make


@pytest.mark.parametrize("had", [MADE, FOUND])
def test_an_interface_has_one_node(node: Callable[..., Path], had: Step) -> None:
    office, plain = node("office", had), node("")
    with pytest.raises(PlanError, match=r"the interface llp0 is that of another node .* instance office"):
        refuse_others("llp0", plain)
    refuse_others("llp1", plain)
    refuse_others("llp0", office)


def test_what_is_undone_is_free_again(node: Callable[..., Path]) -> None:
    office, plain = node("office", MADE), node("")
    (office / "journal").unlink()
    refuse_others("llp0", plain)


def test_a_journal_that_cannot_be_read_is_its_own_node_s_trouble(node: Callable[..., Path]) -> None:
    office, plain = node("office", MADE), node("")
    (office / "journal").write_bytes(b"damaged\ndamaged\n")
    refuse_others("llp0", plain)


def test_two_names_with_one_number_are_refused(node: Callable[..., Path]) -> None:
    name = next(f"n{number}" for number in range(10_000) if Owner.of(f"n{number}").protocol == Owner.of("office").protocol)
    node("office", MADE)
    with pytest.raises(PlanError, match=f"instances {name} and office could not be told apart"):
        refuse_others("llp1", node(name))
