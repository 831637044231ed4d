from __future__ import annotations

import json

import pytest

from tests.perf.bench.results import Results, from_document


def results() -> Results:
    found = Results({"date": "then"})
    for number, (ours, theirs) in enumerate([(6.0, 2.0), (8.0, 4.0), (5.0, 1.0)], 1):
        found.add("throughput", "wireguard-go", number, theirs)
        found.add("throughput", "udp", number, ours)
    return found


def test_a_ratio_is_taken_within_rounds() -> None:
    found = results()
    assert found.ratio("throughput", "udp", "wireguard-go") == 3.0  # of 3, 2 and 5; the medians' would be 3, too, but by chance
    found.add("throughput", "udp", 4, 100.0)  # the reference has no such round
    assert found.ratio("throughput", "udp", "wireguard-go") == 3.0
    assert found.median("throughput", "udp") == 7.0


def test_what_was_not_measured_is_none() -> None:
    found = results()
    assert found.ratio("throughput", "udp", "veth") is None
    assert found.median("throughput", "tcp") is None
    assert found.ratios() == {"throughput": {"udp": {"wireguard-go": 3.0}}}


def test_each_mtu_has_a_reference_of_its_own() -> None:
    found = Results()
    for name, value in (("wireguard-go", 1.0), ("wireguard-go mtu 9000", 4.0), ("udp mtu 9000", 8.0)):
        found.add("throughput", name, 1, value)
    assert found.ratios()["throughput"]["udp mtu 9000"] == {"wireguard-go mtu 9000": 2.0}


def test_the_json_form_comes_back() -> None:
    found = results()
    again = from_document(json.loads(json.dumps(found.document())))
    assert again == found


def test_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="format"):
        from_document({"bench": 99})
