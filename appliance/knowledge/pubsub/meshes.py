"""Who is in the mesh of each topic: asking, being asked, leaving, and what the heartbeat mends."""

from __future__ import annotations

from itertools import islice
from typing import Final

from appliance.knowledge.pubsub.ground import Breach, Ground
from appliance.knowledge.pubsub.mesh import D_HIGH, D_LOW, EAGER, D, Link, Topic, survivors
from appliance.knowledge.pubsub.scoring import OPPORTUNE, median
from appliance.knowledge.pubsub.wire import Part, graft_value, prune_value, topic_field
from appliance.members.row import Digest

BACKOFF_SECONDS: Final = 60.0
UNSUBSCRIBED_SECONDS: Final = 10.0
"""After one that left the topic: it may come back sooner."""
SLACK_SECONDS: Final = 1.0
"""We wait so much longer than was said: two clocks and a way lie between."""
MOST_BACKOFF_SECONDS: Final = 3600.0
ANSWER_SECONDS: Final = 3.0
"""Until a graft without an answer is sent again: messages may be lost."""
MOST_TRIES: Final = 3
MOST_TOLD: Final = 16
"""Members that one prune names; more than D_HIGH, so that whoever was refused can make a mesh of them."""
OPPORTUNE_SECONDS: Final = 60.0
OPPORTUNE_GRAFTS: Final = 2


class Meshes:
    """Of one node."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    # ---- our side ----

    def fill(self, topic: Topic, now: float) -> None:
        """Ask as many as are lacking, if there are any."""
        if topic.subscribed and len(topic.links) < D_LOW:
            for member in islice(self._askable(topic, now), D - len(topic.links)):
                self._ask(topic, member, now)

    def leave(self, topic: Topic, now: float) -> None:
        """We do not subscribe any more."""
        for member in list(topic.links):
            self.prune(topic, member, now, UNSUBSCRIBED_SECONDS)

    def prune(self, topic: Topic, member: Digest, now: float, seconds: float = BACKOFF_SECONDS) -> None:
        """Part with one of the mesh."""
        self.drop(topic, member, now)
        topic.back_off(member, now + seconds)
        self._refuse(topic, member, seconds, now)

    def drop(self, topic: Topic, member: Digest, now: float) -> None:
        """It is in the mesh no more; it knows, or is gone."""
        if topic.links.pop(member, None) is not None:
            self._ground.scores.left(member, topic.name, now)

    def say_eager(self, topic: Topic, member: Digest, *, eager: bool) -> None:
        """It is to send us messages at once, or only to tell."""
        link = topic.links[member]
        if link.eager_in != eager:
            link.eager_in = eager
            self._ground.out.put(member, Part.EAGER if eager else Part.LAZY, topic_field(topic.name))

    def _askable(self, topic: Topic, now: float) -> list[Digest]:
        """Who may come in, in an order drawn by lot."""
        ground = self._ground
        return ground.drawn(
            [
                member
                for member in ground.peers.of(topic.name)
                if member not in topic.links and not topic.is_backed_off(member, now) and ground.scores.score(member, now) >= 0
            ]
        )

    def _ask(self, topic: Topic, member: Digest, now: float) -> None:
        eager = len(topic.eager) < EAGER
        topic.links[member] = Link(now, ours=True, eager_in=eager, eager_out=False)
        self._ground.scores.entered(member, topic.name, now)
        self._ground.out.put(member, Part.GRAFT, graft_value(topic.name, lazy=not eager, answer=False))

    def say_again(self, topic: Topic, member: Digest, now: float) -> None:
        """It does not know that it is out of the mesh."""
        if member not in topic.links:
            self._refuse(topic, member, topic.backoff[member] - now, now)

    def _refuse(self, topic: Topic, member: Digest, seconds: float, now: float) -> None:
        ground = self._ground
        others: list[Digest] = []
        if topic.subscribed and ground.scores.score(member, now) >= 0:
            known = [each for each in ground.peers.of(topic.name) if each != member]
            others = [each for each in ground.drawn(known) if ground.scores.score(each, now) >= 0][:MOST_TOLD]
        ground.out.put(member, Part.PRUNE, prune_value(topic.name, seconds, others))

    # ---- what peers ask ----

    def take_graft(self, member: Digest, topic: Topic, now: float, *, lazy: bool, answer: bool) -> None:
        """A member wants to be in the mesh, or answers that it is."""
        link = topic.links.get(member)
        if link is not None:
            link.answered, link.eager_out = True, not lazy
            if not answer:
                self._confirm(topic, member, link)
            return
        if answer:
            self._refuse(topic, member, SLACK_SECONDS, now)
        elif topic.is_backed_off(member, now):
            if topic.backoff[member] > now + SLACK_SECONDS:
                self._ground.breach(member, Breach.EARLY_GRAFT, now)
            topic.back_off(member, now + BACKOFF_SECONDS)
            self._refuse(topic, member, BACKOFF_SECONDS, now)
        elif len(topic.links) >= D_HIGH or self._ground.scores.score(member, now) < 0:
            topic.back_off(member, now + BACKOFF_SECONDS)
            self._refuse(topic, member, BACKOFF_SECONDS, now)
        else:
            link = Link(now, ours=False, eager_in=len(topic.eager) < EAGER, eager_out=not lazy)
            topic.links[member] = link
            self._ground.scores.entered(member, topic.name, now)
            self._confirm(topic, member, link)

    def _confirm(self, topic: Topic, member: Digest, link: Link) -> None:
        self._ground.out.put(member, Part.GRAFT, graft_value(topic.name, lazy=not link.eager_in, answer=True))

    def take_prune(self, member: Digest, topic: Topic, seconds: int, others: list[Digest], now: float, wall: float) -> None:
        """A member left the mesh, or does not come into it."""
        was = member in topic.links
        self.drop(topic, member, now)
        topic.back_off(member, now + min(seconds, MOST_BACKOFF_SECONDS) + SLACK_SECONDS)
        if was and self._ground.scores.score(member, now) >= 0:  # whoever may say whom we call must have been chosen once
            members = self._ground.keys(wall)
            for each in others[:MOST_TOLD]:
                if each in members and each != self._ground.own and each not in self._ground.peers.sessions:
                    topic.suggest(each)
        self.fill(topic, now)

    def take_eager(self, member: Digest, topic: Topic, *, eager: bool) -> None:
        """A member wants messages at once, or only to be told."""
        if (link := topic.links.get(member)) is not None:
            link.eager_out = eager

    # ---- the heartbeat ----

    def beat(self, topic: Topic, now: float) -> None:
        """Mend the mesh of one topic."""
        for member in [member for member, until in topic.backoff.items() if until <= now]:
            del topic.backoff[member]
        self._ask_again(topic, now)
        scores = {member: self._ground.scores.score(member, now) for member in topic.links}
        for member, score in scores.items():
            if score < 0:
                self._ground.counters["pruned-for-score"] += 1
                self.prune(topic, member, now)
        if len(topic.links) > D_HIGH:
            self._cut(topic, scores, now)
        self.fill(topic, now)
        self._keep_eager(topic)

    def _ask_again(self, topic: Topic, now: float) -> None:
        for member, link in list(topic.links.items()):
            if link.answered or now < link.asked_at + ANSWER_SECONDS:
                continue
            if link.tries == MOST_TRIES:
                self.drop(topic, member, now)
                topic.back_off(member, now + BACKOFF_SECONDS)
                continue
            link.tries, link.asked_at = link.tries + 1, now
            graft = graft_value(topic.name, lazy=not link.eager_in, answer=False)
            self._ground.out.put(member, Part.GRAFT, graft)

    def _cut(self, topic: Topic, scores: dict[Digest, float], now: float) -> None:
        members = self._ground.drawn(list(topic.links))
        ranked = sorted(members, key=lambda member: -scores[member])
        stay = survivors(ranked, members, {member for member, link in topic.links.items() if link.ours})
        for member in members:
            if member not in stay:
                self.prune(topic, member, now)

    def _keep_eager(self, topic: Topic) -> None:
        """Somebody must send messages at once."""
        for member in topic.links:
            if len(topic.eager) >= EAGER:
                break
            self.say_eager(topic, member, eager=True)

    def look_for_better(self, topic: Topic, now: float) -> None:
        """Opportunistic grafting: where most of a mesh brought little, two that are better come in."""
        scores = {member: self._ground.scores.score(member, now) for member in topic.links}
        middle = median(scores)
        if middle >= OPPORTUNE or not scores:
            return
        better = [each for each in self._askable(topic, now) if self._ground.scores.score(each, now) > middle]
        for member in better[:OPPORTUNE_GRAFTS]:
            self._ask(topic, member, now)
