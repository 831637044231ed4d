from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from appliance.management.analytics.measures import METRICS, Meter, Reading
from appliance.management.analytics.series import Key


def session(peer: str, number: str, rx: int = 0, tx: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "peer": peer,
        "session_id": number,
        "rx_bytes": rx,
        "tx_bytes": tx,
        "rx_packets": 1,
        "tx_packets": 1,
        "age": 60.0,
    } | more


def node(uptime: float, *sessions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"uptime": uptime, "sessions": list(sessions)} | more


def told(readings: list[Reading]) -> dict[Key, float | None]:
    return {key: cell.mean(kind) for key, kind, cell in readings}


def amounts(readings: list[Reading], metric: str) -> dict[str, float]:
    return {key.label: cell.total for key, _, cell in readings if key.metric == metric}


def test_the_first_look_has_levels_only() -> None:
    found = told(Meter().read(node(5.0, session("office", "a", rtt=0.02), drops={"no_session": 9}), None))
    assert found == {Key("sessions"): 1, Key("peers.connected"): 1, Key("round-trip", "office"): 0.02}


def test_what_was_counted_between_two_looks() -> None:
    meter = Meter()
    meter.read(node(5.0, session("office", "a", 1000, 10), drops={"no_session": 9, "full": 1}), None)
    found = meter.read(node(15.0, session("office", "a", 5000, 10), drops={"no_session": 29, "full": 1}), 10.0)
    assert told(found)[Key("traffic.received")] == told(found)[Key("traffic.received", "office")] == 400
    assert amounts(found, "drops") == {"": 20, "no_session": 20, "full": 0}
    assert next(key for key, _, _ in found if key.metric == "drops") == Key("drops"), "the sum has a place in any case"


def test_a_new_session_begins_at_zero_and_the_old_one_is_not_counted_back() -> None:
    meter = Meter()
    meter.read(node(5.0, session("office", "a", 1000)), None)
    found = meter.read(node(15.0, session("office", "b", 300), session("home", "c", 7)), 10.0)
    assert amounts(found, "traffic.received") == {"": 307, "office": 300, "home": 7}
    assert amounts(found, "sessions.opened") == {"": 2, "office": 1, "home": 1}


def test_a_node_that_was_started_again_counts_from_zero_even_beyond_what_it_had() -> None:
    meter = Meter()
    meter.read(node(500.0, drops={"full": 10}), None)
    assert amounts(meter.read(node(3.0, drops={"full": 40}), 10.0), "drops")[""] == 40


def test_the_round_trip_is_that_of_the_youngest_session() -> None:
    old, new = session("office", "a", age=900.0, rtt=0.5), session("office", "b", age=9.0, rtt=0.1)
    assert told(Meter().read(node(5.0, new, old), None))[Key("round-trip", "office")] == 0.1


def test_processes_disk_loop_and_classes() -> None:
    processes = [
        {"name": "control", "pid": 1, "cpu": 1.0, "memory": 100, "descriptors": 9},
        {"name": "worker 0", "pid": 2, "cpu": 5.0, "memory": 50, "descriptors": None},
    ]
    more = {
        "processes": processes,
        "disk": {"total": 10, "free": 5},
        "loop": {"longest": 0.01, "late": 3},
        "classes": {"bulk": {"queued": 7}},
        "members": {"alive": 4},
    }
    meter = Meter()
    meter.read(node(5.0, **more), None)
    processes[1]["cpu"] = 10.0
    found = told(meter.read(node(15.0, **more), 10.0))
    assert found[Key("cpu", "worker 0")] == 0.5
    assert found[Key("memory", "control")] == 100
    assert Key("descriptors", "worker 0") not in found
    assert found[Key("disk.free")] == 5
    assert (found[Key("loop.longest")], found[Key("loop.late")]) == (0.01, 0)
    assert (found[Key("queued", "bulk")], found[Key("members", "alive")]) == (7, 4)


def test_a_worker_that_took_the_place_of_another_begins_at_zero() -> None:
    meter = Meter()
    _, found = (
        meter.read(node(5.0 + pid, processes=[{"name": "worker 0", "pid": pid, "cpu": cpu, "memory": 1}]), 10.0)
        for pid, cpu in ((2, 100.0), (3, 4.0))
    )
    assert amounts(found, "cpu") == {"worker 0": 4}


def test_counters_of_the_api_go_on_when_the_node_starts_again() -> None:
    meter = Meter()
    meter.read(node(500.0), None, {"api.requests": {"2xx": 10}})
    assert amounts(meter.read(node(1.0), 10.0, {"api.requests": {"2xx": 12, "5xx": 1}}), "api.requests") == {"2xx": 2, "5xx": 1}


def test_odd_figures_and_names_are_counted_and_left_out() -> None:
    meter = Meter()
    strange = session("a" * 256, "a", rtt=0.1), session("b\n", "b", rtt=0.1), session("\ud800", "c", rtt=0.1)
    found = meter.read(node(5.0, *strange, session("good", "d", rtt=float("nan")), members={"alive": "many"}), None)
    assert {key for key, _, _ in found} == {Key("sessions"), Key("peers.connected")}
    assert meter.odd == 5


def test_all_that_is_read_has_its_line_in_the_table() -> None:
    meter = Meter()
    document = node(
        5.0, session("office", "a", rtt=0.1), drops={"full": 1}, members={"alive": 1}, classes={"bulk": {"queued": 1}}
    )
    document |= {"loop": {"longest": 0.1, "late": 1}, "disk": {"total": 2, "free": 1}}
    document |= {"processes": [{"name": "control", "pid": 1, "cpu": 1.0, "memory": 1, "descriptors": 1}]}
    own = {"api.requests": {"2xx": 1}, "api.refused": {"rate": 1}, "jobs": {"succeeded": 1}, "exports.sent": {"nats": 1}}
    meter.read(document, None, own)
    found = meter.read(document, 10.0, own)
    assert {key.metric for key, _, _ in found} == METRICS.keys()
    assert all(METRICS[key.metric].kind is kind for key, kind, _ in found)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("uptime", "sessions", "drops", "handshakes", "members", "classes", "loop", "processes", "disk")


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(FIELDS, anything)), max_size=3))
def test_no_answer_of_a_node_raises(documents: list[dict[str, Any]]) -> None:
    meter = Meter()
    for document in documents:
        for key, kind, cell in meter.read(document, 10.0):
            assert cell.mean(kind) is not None
            key.label.encode()
