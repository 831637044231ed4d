"""The replay window of one direction of a session: 8,192 record numbers in a ring of 64-bit words (RFC 6479, without its shifts).

One word more than the window keeps the word that the newest number enters apart from the oldest word still in the window.
"""

from __future__ import annotations

from array import array

WINDOW = 8192
"""Record numbers remembered below the newest. A record further behind is taken for a replay."""
_WORDS = WINDOW // 64 + 1


class ReplayWindow:
    """Call `check` before a record is opened and `mark` once it proved authentic; a number marked is refused from then on."""

    __slots__ = ("_words", "newest")

    def __init__(self) -> None:
        self.newest = 0
        """The highest number marked so far."""
        self._words = array("Q", bytes(8 * _WORDS))

    def check(self, number: int) -> bool:
        """May the record `number` (not negative) still be taken?"""
        newest = self.newest
        if number > newest:
            return True
        if newest - number >= WINDOW:
            return False
        return not self._words[(number >> 6) % _WORDS] >> (number & 63) & 1

    def mark(self, number: int) -> None:
        """Remember `number`, which `check` has just allowed."""
        word = number >> 6
        words = self._words
        if number > self.newest:
            newest_word = self.newest >> 6
            if word != newest_word:
                for fresh in range(max(newest_word + 1, word - _WORDS + 1), word + 1):
                    words[fresh % _WORDS] = 0
            self.newest = number
        words[word % _WORDS] |= 1 << (number & 63)
