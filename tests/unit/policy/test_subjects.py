"""The peers as a policy knows them: which addresses a word stands for."""

from __future__ import annotations

import ipaddress

from appliance.api.access import Who
from appliance.policy.subjects import Directory, Party

ADDRESSES = [ipaddress.ip_address(text) for text in ("10.8.0.2", "fd00::2", "10.8.0.3")]


def test_a_word_stands_for_the_addresses_of_all_whom_it_means() -> None:
    directory = Directory(
        [Party("a", tuple(ADDRESSES[:2]), frozenset({"x"}), member=True), Party("b", (ADDRESSES[2],), frozenset({"x", "y"}))]
    )
    words = [Who.parse(text) for text in ("a", "tag:x", "tag:y", "members", "peers", "c")]
    stands = {str(word): directory.addresses(word, 4) + directory.addresses(word, 6) for word in words}
    assert stands == {
        "a": ["10.8.0.2", "fd00::2"],
        "tag:x": ["10.8.0.2", "10.8.0.3", "fd00::2"],
        "tag:y": ["10.8.0.3"],
        "members": ["10.8.0.2", "fd00::2"],
        "peers": ["10.8.0.2", "10.8.0.3", "fd00::2"],
        "c": [],
    }


def test_somebody_without_a_name_is_not_meant_by_an_empty_one() -> None:
    directory = Directory([Party("", (ADDRESSES[0],))])
    assert directory.subject(ADDRESSES[0]).peer
    assert not directory.subject(ADDRESSES[0]).is_meant_by(Who.parse("a"))
    assert not directory.subject(ADDRESSES[1]).peer
