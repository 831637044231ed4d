from __future__ import annotations

import os

from appliance.lab.naming import Tag, new_tag, tag_of


def test_a_tag_is_read_back_from_a_name() -> None:
    tag = new_tag()
    assert tag_of(f"{tag}-left") == tag
    assert tag_of(f"{tag}.a1b2") == tag
    assert tag.names(f"{tag}-wan.switch")


def test_two_labs_of_one_process_differ() -> None:
    assert new_tag() != new_tag()


def test_other_names_are_nobodys() -> None:
    assert tag_of("lab-left") is None
    assert tag_of("my-lab-1-2-3-x") is None
    assert tag_of("lab-1-2-3x") is None


def test_an_owner_lives_while_its_process_does() -> None:
    mine = new_tag()
    assert mine.owner_lives
    assert not Tag(mine.pid, mine.started + 1, 1).owner_lives, "the number is used again by another process"
    gone = os.fork()
    if gone == 0:
        os._exit(0)
    os.waitpid(gone, 0)
    assert not Tag(gone, 1, 1).owner_lives
