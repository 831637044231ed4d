"""docs/protocol.md names what the code does: every label, fault and counter, and none that there is not."""

from __future__ import annotations

import re
from pathlib import Path

from appliance.knowledge.dht.wire import Kind
from appliance.knowledge.rendezvous.messages import Status
from appliance.knowledge.rendezvous.registration import Refusal as RendezvousRefusal
from appliance.knowledge.signed import Fault as RecordFault
from appliance.members.clashes import Why
from appliance.members.statement import Refusal
from appliance.protocol.counted import Count, closed
from appliance.protocol.events import CloseReason
from appliance.wire.faults import TOLD, Fault

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/protocol.md").read_text()
COUNTED = TEXT[TEXT.index("## What is counted") : TEXT.index("## Test vectors")]
REFUSALS, EVENTS = COUNTED.split("\nEvents: ")
SOURCES = {path: path.read_text() for folder in ("protocol", "wire") for path in (ROOT / "appliance" / folder).glob("*.py")}


def words(text: str) -> list[str]:
    return re.findall(r"`([a-z]+(?:-[a-z]+)*)`", text)


def test_every_label_is_specified() -> None:
    members = (path.read_text() for path in (ROOT / "appliance/members").rglob("*.py"))
    sources = (*SOURCES.values(), *members)
    labels = {label for source in sources for label in re.findall(r'b"([Ll][Ll][Pp]1 [^"]+)"', source)}
    assert len(labels) == 22
    assert {label for label in labels if f'"{label}"' not in TEXT} == set()


def test_every_label_of_shared_knowledge_is_specified() -> None:
    sources = (path.read_text() for path in (ROOT / "appliance/knowledge").rglob("*.py"))
    labels = {label for source in sources for label in re.findall(r'b"(LLP1 [^"]+)"', source)}
    assert {"LLP1 record", "LLP1 dht"} <= labels
    assert {label for label in labels if f'"{label}"' not in TEXT} == set()


def test_the_hash_table_is_specified_as_it_is() -> None:
    chapter = TEXT[TEXT.index("## The hash table") : TEXT.index("## Heads of audit logs")]
    assert {f"dht.{kind}" for kind in Kind} == set(re.findall(r"^\| `([a-z.]+)`", chapter, re.MULTILINE))
    spelt = re.compile(r'(?:blame\([^"\n]*|counters\[)"([a-z-]+)"')
    rooms = (path.read_text() for path in (ROOT / "appliance/knowledge/dht").glob("*.py"))
    counted = {name for source in rooms for name in spelt.findall(source)} | set(RecordFault)
    assert len(counted) > 12
    assert counted <= set(words(chapter))


def test_every_fault_has_its_place_in_the_table() -> None:
    reasons = "".join(re.findall(r"^\| (.*?) \|", REFUSALS, re.MULTILINE))
    assert sorted(words(reasons)) == sorted(Fault)


def test_every_refusal_of_a_statement_has_its_place() -> None:
    chapter = TEXT[TEXT.index("## Networks and certificates") : TEXT.index("## Rosters")]
    reasons = "".join(re.findall(r"^\| (`.*?) \|", chapter, re.MULTILINE))
    assert sorted(words(reasons)) == sorted(Refusal)
    assert set(Why) <= set(words(chapter))


def test_every_status_and_refusal_of_rendezvous_has_its_place() -> None:
    chapter = TEXT[TEXT.index("## Rendezvous") : TEXT.index("## The hash table")]
    assert [int(number) for number in re.findall(r"(?:: |· )(\d) ", chapter)] == [int(status) for status in Status]
    assert set(RendezvousRefusal) <= set(words(chapter))


def test_faults_that_the_admin_is_told_of_are_bold() -> None:
    assert sorted(re.findall(r"\*\*`([a-z-]+)`\*\*", REFUSALS)) == sorted(TOLD)


def test_every_counter_is_listed() -> None:
    happened, ended = EVENTS.split("`closed-`")
    assert sorted(words(happened)) == sorted(Count)
    assert sorted(words(ended)) == sorted(CloseReason)
    assert {closed(reason) for reason in CloseReason}.isdisjoint(Count)


def test_reasons_come_from_the_table() -> None:
    """A word written where it is counted would be one that nobody lists."""
    spelt = re.compile(r'(?:PeerFault\(|judge\(|counters\[|give_up\(\w+, )f?"[^"]*"')
    assert {path.name: found for path, source in SOURCES.items() if (found := spelt.findall(source))} == {}
