"""Which proxy is taken, what it is asked, and what its answers mean."""

from __future__ import annotations

import pytest

from appliance_transport_websocket.place import Place, place_of
from appliance_transport_websocket.proxy import ProxyRefused, judge, proxy_for, request

PLACE = Place("vpn.example", 443, "/llp")
ADDRESS = "203.0.113.7"
TOLD = {"https_proxy": "http://proxy.example:3128"}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("vpn.example/llp", PLACE),
        ("vpn.example", Place("vpn.example", 443, "/")),
        ("vpn.example:8443", Place("vpn.example", 8443, "/")),
        ("[2001:db8::1]:444/a/b", Place("2001:db8::1", 444, "/a/b")),
    ],
)
def test_where_a_websocket_is(text: str, place: Place) -> None:
    assert place_of(text) == place


@pytest.mark.parametrize(
    "text", ["", "/llp", "vpn.example:0", "vpn.example:66000", "user@vpn.example", "vpn.example/a b", "[::1"]
)
def test_what_is_no_websocket_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="wss://"):
        place_of(text)


def test_the_profile_has_the_first_word_and_the_environment_the_second() -> None:
    written = proxy_for(PLACE, ADDRESS, "http://10.0.0.1:8080", TOLD)
    assert written is not None
    assert (written.host, written.port, written.authorization) == ("10.0.0.1", 8080, "")
    assert proxy_for(PLACE, ADDRESS, "none", TOLD) is None
    told = proxy_for(PLACE, ADDRESS, None, TOLD)
    assert told is not None
    assert told.shown == "proxy.example:3128"
    assert proxy_for(PLACE, ADDRESS, None, {}) is None
    assert proxy_for(PLACE, ADDRESS, None, {"HTTPS_PROXY": "proxy.example:3128"}) == told


def test_a_user_and_a_password_become_basic_authentication_and_are_not_shown() -> None:
    proxy = proxy_for(PLACE, ADDRESS, "http://Aladdin:open%20sesame@10.0.0.1:8080", {})
    assert proxy is not None
    assert proxy.authorization == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="  # RFC 7617, section 2
    assert "sesame" not in proxy.shown
    assert request(PLACE, proxy.authorization) == (
        b"CONNECT vpn.example:443 HTTP/1.1\r\nHost: vpn.example:443\r\n"
        b"Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"
    )


@pytest.mark.parametrize(
    "rules",
    ["*", "vpn.example", "example", ".example", "a.test, VPN.example", "203.0.113.0/24", "203.0.113.7", "vpn.example:443"],
)
def test_what_no_proxy_names_is_called_directly(rules: str) -> None:
    assert proxy_for(PLACE, ADDRESS, None, {**TOLD, "no_proxy": rules}) is None


@pytest.mark.parametrize("rules", ["", "other.example", "pn.example", "198.51.100.0/24", "vpn.example:8443", "2001:db8::/32"])
def test_what_it_does_not_name_is_not(rules: str) -> None:
    assert proxy_for(PLACE, ADDRESS, None, {**TOLD, "no_proxy": rules}) is not None


@pytest.mark.parametrize("text", ["ftp://proxy.example", "http://", "http://proxy.example:999999", "socks5://proxy.example:1080"])
def test_a_proxy_that_cannot_be_read_is_told_without_what_was_written(text: str) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        proxy_for(PLACE, ADDRESS, None, {"https_proxy": text})


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", r"wants a user and a password.*\(407\)"),
        (b"HTTP/1.0 401 Unauthorized\r\n\r\n", r"or other ones \(401\)"),
        (b"HTTP/1.0 403 Filtered\x1b[31m\r\n\r\n", r"does not connect to vpn\.example:443 \(403 Filtered\[31m\)"),
        (b"HTTP/1.1 502\r\n\r\n", r"\(502\)"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "does not answer as an HTTP proxy"),
        (b"HTTP/1.1 2zz what\r\n\r\n", "does not answer as an HTTP proxy"),
        (b"\xff\xfe\r\n\r\n", "does not answer as an HTTP proxy"),
    ],
)
def test_refusals_are_told_in_words(head: bytes, said: str) -> None:
    with pytest.raises(ProxyRefused, match=said):
        judge(head, "proxy.example:3128", PLACE)


def test_any_success_will_do() -> None:
    judge(b"HTTP/1.0 200 Connection established\r\nVia: 1.0 tinyproxy\r\n\r\n", "proxy", PLACE)
