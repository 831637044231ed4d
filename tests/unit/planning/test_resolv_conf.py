"""A resolv.conf with ours around it, and without."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.planning.resolv_conf import asks_resolved, before, interface_of, ours, search, servers

LINES = (
    "nameserver 192.0.2.1",
    "search lan corp.example",
    "domain lan",
    "options edns0",
    "# x",
    "#| nameserver 9.9.9.9",
    "\t",
    "\0\xff\x85",
)
texts = st.lists(st.sampled_from(LINES) | st.text(st.characters(max_codepoint=255), max_size=20)).map("\n".join)


@given(texts)
def test_what_was_there_before_comes_back_byte_for_byte(was: str) -> None:
    now = ours(was, "llp0", "10.8.0.1", "home")
    if not interface_of(was):
        assert before(was) == was
    assert before(now) == was
    assert interface_of(now) == "llp0"
    assert servers(now) == ["10.8.0.1"]
    assert search(now)[0] == "home"


def test_all_but_the_servers_stays() -> None:
    now = ours("domain lan\nnameserver 192.0.2.1\nsearch Home lan corp\noptions edns0 # fast\n", "llp0", "fd00::1", "home")
    assert now.splitlines()[-3:] == ["nameserver fd00::1", "search home lan corp", "options edns0 # fast"]


def test_it_leads_to_resolved_if_to_nobody_else() -> None:
    assert asks_resolved("nameserver 127.0.0.53\noptions trust-ad\n")
    assert not asks_resolved("nameserver 127.0.0.53\nnameserver 192.0.2.1\n")
    assert not asks_resolved("")
