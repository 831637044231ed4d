"""What is said of a network: what was found out, what was not, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.api.values import Endpoint
from appliance.members.netcheck import Findings, answers, document
from appliance.members.reflections import Mapping, Verdict

SEEN = Endpoint("udp", "203.0.113.9", 8443)
NOTHING = Verdict(Mapping.UNKNOWN, (), 0)
KNOWN = Findings(
    listens=True,
    peers=4,
    peers_over_udp=3,
    verdict=Verdict(Mapping.INDEPENDENT, (SEEN,), 3),
    verdict_v6=NOTHING,
    lets_in_other_ports=False,
    lets_in_strangers=False,
    hairpin=True,
    mapped="udp://203.0.113.9:40001",
    mapping_problem="",
    has_ipv6=False,
)


def test_what_was_found_out_is_said_to_programs_and_to_people() -> None:
    found = document(KNOWN)
    assert {key: found[key] for key in ("udp", "mapping", "filtering", "hairpin", "ipv6")} == {
        "udp": "yes",
        "mapping": "independent",
        "filtering": "by address and port",
        "hairpin": "yes",
        "ipv6": "no",
    }
    assert found["seen_at"] == ["udp://203.0.113.9:8443"]
    assert len(found["answers"]) == len(answers(KNOWN)) == 6


@pytest.mark.parametrize(
    ("change", "question", "answer", "says"),
    [
        ({"peers_over_udp": 0}, 0, "no", "none over UDP"),
        ({"peers_over_udp": 0, "peers": 0}, 0, "unknown", "No peer has a session"),
        ({"peers_over_udp": 0, "listens": False}, 0, "unknown", "listens at no udp:// endpoint"),
        ({"verdict": Verdict(Mapping.DEPENDENT, (SEEN,), 3)}, 1, "dependent", "symmetric"),
        ({"verdict": Verdict(Mapping.NONE, (SEEN,), 3)}, 1, "none", "own address"),
        ({"verdict": Verdict(Mapping.UNKNOWN, (SEEN,), 1)}, 1, "unknown", "takes 2 more peers"),
        ({"verdict": NOTHING}, 1, "unknown", "takes 3 more peers"),
        ({"lets_in_strangers": True}, 2, "anybody", "sent nothing to"),
        ({"lets_in_other_ports": True}, 2, "by address", "another port"),
        ({"lets_in_other_ports": True, "lets_in_strangers": None}, 2, "by address or anybody", "another port"),
        ({"lets_in_other_ports": None, "lets_in_strangers": None}, 2, "unknown", "could be asked"),
        ({"hairpin": None}, 3, "unknown", "keeps ports"),
        ({"hairpin": False}, 3, "no", "does not come back"),
        ({"verdict": Verdict(Mapping.NONE, (SEEN,), 3), "hairpin": None}, 3, "yes", "no NAT"),
        ({"mapped": None, "mapping_problem": "there is no IPv4 router"}, 4, "no", "There is no IPv4 router."),
        ({"has_ipv6": True}, 5, "unknown", "no peer was reached"),
        ({"verdict_v6": Verdict(Mapping.UNKNOWN, (Endpoint("udp", "2001:db8::1", 1),), 1)}, 5, "yes", "2001:db8::1"),
    ],
)
def test_each_answer_says_what_it_means_or_why_it_is_not_known(
    change: dict[str, object], question: int, answer: str, says: str
) -> None:
    told = answers(replace(KNOWN, **change))[question]  # type: ignore[arg-type]
    assert told.answer == answer
    assert says in told.says
    assert told.says.endswith(".")
