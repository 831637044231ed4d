"""Questions and answers on the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.knowledge.rendezvous.messages import (
    COOKIE_BYTES,
    MOST_PAGE,
    Find,
    NotUnderstood,
    Page,
    Status,
    pack_find,
    pack_page,
    read_find,
    read_page,
    read_status,
)

COOKIE = bytes(range(COOKIE_BYTES))


@pytest.mark.parametrize("find", [Find("printers", 32), Find("a", 1, COOKIE)])
def test_a_question_is_read_as_it_was_asked(find: Find) -> None:
    assert read_find(pack_find(find)) == find


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0\1",
        pack_find(Find("a", 0)),
        pack_find(Find("", 1)),
        pack_find(Find("a b", 1)),
        pack_find(Find("a", 1, COOKIE[1:])),
        b"\0\1\x09abc",
        b"\0\1\1\xff",
    ],
)
def test_what_is_no_question(body: bytes) -> None:
    with pytest.raises(NotUnderstood):
        read_find(body)


@pytest.mark.parametrize("page", [Page(Status.STALE), Page(Status.OK, True, COOKIE, [b"one", b"", b"three"])])  # noqa: FBT003
def test_an_answer_is_read_as_it_was_given(page: Page) -> None:
    assert read_page(pack_page(page)) == page._replace(registrations=list(page.registrations))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        bytes(25),
        b"\x63" + bytes(25),
        b"\0\2" + bytes(24),
        bytes(26) + b"\0",
        bytes(26) + b"\0\5abc",
        bytes(26) + b"\0\0" * (MOST_PAGE + 1),
    ],
)
def test_what_is_no_answer(body: bytes) -> None:
    with pytest.raises(NotUnderstood):
        read_page(body)


def test_a_status_is_one_byte() -> None:
    assert read_status(b"\2") is Status.FULL
    for body in (b"", b"\0\0", b"\x63"):
        with pytest.raises(NotUnderstood):
            read_status(body)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_none(body: bytes) -> None:
    for read in (read_find, read_page, read_status):
        try:
            read(body)
        except NotUnderstood:
            continue
