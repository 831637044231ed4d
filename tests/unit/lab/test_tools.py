from __future__ import annotations

from appliance.lab.tools import echoes


def test_an_echo_that_came_late_came_and_those_sent_meanwhile_do_not_count() -> None:
    said = """PING 10.8.0.2 (10.8.0.2) 56(84) bytes of data.
64 bytes from 10.8.0.2: icmp_seq=1 ttl=64 time=24.4 ms
64 bytes from 10.8.0.2: icmp_seq=1 ttl=64 time=25.0 ms (DUP!)
64 bytes from 10.8.0.2: icmp_seq=4 ttl=64 time=0.051 ms
64 bytes from 10.8.0.2: icmp_seq=3 ttl=64 time=390 ms
64 bytes from 10.8.0.2: icmp_seq=5 ttl=64 time=12.1 ms
64 bytes from 10.8.0.2: icmp_seq=6 ttl=64 time=11.9 ms

--- 10.8.0.2 ping statistics ---
6 packets transmitted, 5 received, +1 duplicates, 16% packet loss, time 205ms
rtt min/avg/max/mdev = 0.051/92.6/390/24 ms
"""
    assert echoes(said, 5) == {1: 24.4, 3: 390.0, 4: 0.051, 5: 12.1}
    assert echoes("", 5) == {}
