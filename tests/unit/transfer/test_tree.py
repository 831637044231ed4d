from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.transfer.tree import CHUNK_BYTES, HASH_BYTES, Tree, chunks_of, leaf_of

ZERO_LEAF = leaf_of(bytes(CHUNK_BYTES))
RUNS = st.lists(st.one_of(st.integers(1, 300), st.binary(min_size=1, max_size=4)), max_size=8)
"""So many chunks of zeros, or one chunk with this in it."""


def by_the_book(leaves: list[bytes]) -> bytes:
    """The Merkle Tree Hash as RFC 9162, section 2.1.1, writes it down."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    middle = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\1" + by_the_book(leaves[:middle]) + by_the_book(leaves[middle:])).digest()


def grown(runs: list[int | bytes]) -> tuple[Tree, list[bytes]]:
    tree, leaves = Tree(), []
    for run in runs:
        if isinstance(run, int):
            tree.add_zeros(run)
            leaves += [ZERO_LEAF] * run
        else:
            tree.add(leaf_of(run))
            leaves.append(leaf_of(run))
    return tree, leaves


@given(RUNS)
def test_the_root_is_that_of_the_standard_whatever_came_as_zeros(runs: list[int | bytes]) -> None:
    tree, leaves = grown(runs)
    assert tree.chunks == len(leaves)
    assert tree.root() == by_the_book(leaves)


@given(RUNS, RUNS)
def test_it_goes_on_from_what_was_kept(first: list[int | bytes], then: list[int | bytes]) -> None:
    tree, leaves = grown(first)
    again = Tree(tree.chunks, tree.hashes)
    _, further = grown(then)
    for leaf in further:
        again.add(leaf)
    assert again.root() == by_the_book(leaves + further)
    assert tree.root() == by_the_book(leaves), "the one it was read from is as it was"


def test_ten_terabytes_of_zeros_take_no_time() -> None:
    tree = Tree()
    tree.add(leaf_of(b"x"))
    tree.add_zeros(10 << 22)
    assert len(tree.hashes) == tree.chunks.bit_count()


@pytest.mark.parametrize(("chunks", "hashes"), [(0, 1), (1, 0), (3, 1), (4, 2), (-1, 1)])
def test_subtrees_that_do_not_fit_their_number_are_refused(chunks: int, hashes: int) -> None:
    with pytest.raises(ValueError, match="subtrees"):
        Tree(chunks, [bytes(HASH_BYTES)] * hashes)


def test_a_file_has_as_many_chunks_as_it_needs() -> None:
    assert [chunks_of(size) for size in (0, 1, CHUNK_BYTES, CHUNK_BYTES + 1)] == [0, 1, 1, 2]
