"""Who subscribes to what, as members say themselves: how a node finds others of a topic that none of its neighbours has.

A hint is a record that the subscriber signs, for the purpose "topic hint"; its content is the topic. Each node keeps at most
eight of each topic and passes on only what it kept, so that the first eight subscribers of a topic are known everywhere, and a
topic with a thousand of them costs no more than one with eight. Of its own topics a node keeps more: some may be of no use. A lie
can only be about oneself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from appliance.knowledge.pubsub.wire import Malformed, only_topic, topic_field
from appliance.knowledge.signed import Fault, Record, RecordRefused, read_head, read_record, sign_record
from appliance.members.row import Digest, Verifier

PURPOSE: Final = "topic hint"
HINT_SECONDS: Final = 3600
RENEW_SECONDS: Final = 1500.0
"""A subscriber says it again so often, with up to a fifth more."""
NEWS_SECONDS: Final = 900
"""One that is newer by less is not passed on: nobody makes others talk by renewing all the time. Nor is one taken that is
good for less: who still subscribes has said it again by then, and nobody makes others talk with hints that end at once."""
MOST_OF_TOPIC: Final = 8
MOST_OF_OWN_TOPIC: Final = 32
MOST_HINTS: Final = 4096
"""In all. When there are so many, who has most of them gives one to who has two less: nobody can fill the table, and nothing goes
to and fro."""
MOST_OF_MEMBER: Final = 200
"""As many as one member may subscribe to."""


class Hint(NamedTuple):
    """Member `member` subscribes to `topic`."""

    topic: str
    member: Digest
    written: int
    expires: int
    encoded: bytes


def sign_hint(topic: str, own: Digest, network: Digest, wall: float, sign: Callable[[bytes], bytes]) -> Hint:
    """Our own."""
    written = int(wall)
    record = Record(network, own, written, written, written + HINT_SECONDS, topic_field(topic))
    return _hint(sign_record(record, PURPOSE, sign))


def _hint(record: Record) -> Hint:
    try:
        topic = only_topic(record.content)
    except Malformed:
        raise RecordRefused(Fault.MALFORMED) from None
    return Hint(topic, record.member, record.written, record.expires, record.encoded)


class Hints:
    """Those that one node keeps."""

    def __init__(self, own: Digest, network: Digest, verify: Verifier) -> None:
        self._own = own
        self._network = network
        self._verify = verify
        self.own_topics: set[str] = set()
        self._topics: dict[str, dict[Digest, Hint]] = {}
        self._of_member: dict[Digest, dict[str, None]] = {}
        self._number = 0

    def __len__(self) -> int:
        return self._number

    def of(self, topic: str) -> list[Hint]:
        """What is known of a topic."""
        return list(self._topics.get(topic, {}).values())

    def take(self, encoded: bytes, keys: Mapping[Digest, bytes], wall: float) -> tuple[Hint, bool] | None:
        """It, if it is kept and news, and whether others are to be told. Raises RecordRefused if it is no good."""
        unproved = _hint(read_head(encoded))
        if unproved.member == self._own or unproved.expires < wall + NEWS_SECONDS or not self._is_news(unproved):
            return None
        hint = _hint(read_record(encoded, PURPOSE, self._network, keys, wall, self._verify))
        if hint.expires - hint.written > HINT_SECONDS:
            raise RecordRefused(Fault.FUTURE)
        spreads = self._has_room(hint, MOST_OF_TOPIC)
        self._keep(hint)
        return hint, spreads

    def drop(self, topic: str, member: Digest) -> None:
        """It turned out to be wrong."""
        known = self._topics.get(topic)
        if known is None or known.pop(member, None) is None:
            return
        self._number -= 1
        topics = self._of_member[member]
        del topics[topic]
        if not topics:
            del self._of_member[member]
        if not known:
            del self._topics[topic]

    def age(self, wall: float) -> None:
        """Forget those that expired."""
        for topic, member in [
            (topic, hint.member) for topic, known in self._topics.items() for hint in known.values() if hint.expires <= wall
        ]:
            self.drop(topic, member)

    def _is_news(self, hint: Hint) -> bool:
        known = self._topics.get(hint.topic, {})
        if (before := known.get(hint.member)) is not None:
            return hint.written >= before.written + NEWS_SECONDS
        most = MOST_OF_OWN_TOPIC if hint.topic in self.own_topics else MOST_OF_TOPIC
        share = len(self._of_member.get(hint.member, ()))
        return self._has_room(hint, most) and share < MOST_OF_MEMBER and (self._number < MOST_HINTS or self._most() > share + 1)

    def _has_room(self, hint: Hint, most: int) -> bool:
        """It stands among the first so many of its topic."""
        known = list(self._topics.get(hint.topic, ()))
        return len(known) < most or hint.member in known[:most]

    def _most(self) -> int:
        return max(map(len, self._of_member.values()))

    def _keep(self, hint: Hint) -> None:
        known = self._topics.setdefault(hint.topic, {})
        self._number += hint.member not in known
        known[hint.member] = hint
        self._of_member.setdefault(hint.member, {})[hint.topic] = None
        if self._number > MOST_HINTS:
            member = max(self._of_member, key=lambda each: len(self._of_member[each]))
            self.drop(next(reversed(self._of_member[member])), member)
