from __future__ import annotations

from appliance.lab.host import _lasting


def test_what_passes_by_itself_is_no_change() -> None:
    before = """1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
3: wan.7    inet 192.0.2.2/24 brd 192.0.2.255 scope global wan.7\\       valid_lft 86391sec preferred_lft 86391sec
"""
    assert _lasting(before) == _lasting(before.replace("3:", "2:").replace("86391", "17"))
    assert _lasting(before) != _lasting(before.replace("192.0.2.2/", "192.0.2.3/"))
