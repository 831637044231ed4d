"""Values that cross the plugin boundary."""

from __future__ import annotations

import pytest

from appliance.api.values import group_of


@pytest.mark.parametrize(
    ("address", "group"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::1"),
        ("", ""),
    ],
)
def test_one_customer_is_one_sender(address: str, group: str) -> None:
    assert group_of(address) == group
