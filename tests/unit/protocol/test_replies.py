from __future__ import annotations

from appliance.protocol.replies import MOST_BYTES, MOST_ENTRIES, MOST_OF_ALL, REMEMBER_SECONDS, Known, Replies

KEY = ("llp1:peer", "family", 7)


def test_a_request_that_comes_again_gets_the_same_answer() -> None:
    replies = Replies()
    assert replies.begin(KEY, b"text", 0.0) == (Known.NEW, None)
    assert replies.begin(KEY, b"text", 1.0) == (Known.UNDER_WAY, None)
    replies.finish(KEY, b"answer")
    replies.finish(KEY, b"another answer")
    assert replies.begin(KEY, b"text", 2.0) == (Known.ANSWERED, b"answer")


def test_a_number_is_for_one_request_of_one_peer_in_one_family() -> None:
    replies = Replies()
    replies.begin(KEY, b"text", 0.0)
    assert replies.begin(KEY, b"other text", 0.0) == (Known.REUSED, None)
    for key in (("llp1:other", *KEY[1:]), (KEY[0], "other", KEY[2]), (*KEY[:2], 8)):
        assert replies.begin(key, b"other text", 0.0) == (Known.NEW, None)


def test_nothing_is_remembered_for_longer_than_it_may_be_asked() -> None:
    replies = Replies()
    replies.begin(KEY, b"text", 0.0)
    replies.finish(KEY, b"answer")
    assert replies.begin(KEY, b"text", REMEMBER_SECONDS) == (Known.NEW, None)
    assert len(replies) == 1


def test_what_one_peer_makes_us_remember_is_bounded() -> None:
    replies = Replies()
    replies.begin(("llp1:other", "family", 1), b"text", 0.0)
    for number in range(1, 10 * MOST_ENTRIES):
        replies.begin((*KEY[:2], number), b"text", 0.0)
    assert len(replies) == MOST_ENTRIES + 1
    assert replies.begin(("llp1:other", "family", 1), b"text", 0.0) == (Known.UNDER_WAY, None)


def test_what_all_make_us_remember_is_bounded() -> None:
    replies = Replies()
    for number in range(MOST_OF_ALL + 100):
        replies.begin((f"llp1:{number}", "family", 1), b"text", 0.0)
    assert len(replies) == MOST_OF_ALL


def test_what_the_answers_to_all_take_is_bounded() -> None:
    replies = Replies()
    for number in range(8):
        key = (f"llp1:{number}", "family", 1)
        replies.begin(key, b"text", 0.0)
        replies.finish(key, bytes(MOST_BYTES // 4))
    assert len(replies) == 4
    replies.finish(("llp1:0", "family", 1), b"nobody remembers the request")
    assert len(replies) == 4
