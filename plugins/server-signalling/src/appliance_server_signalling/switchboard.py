"""Who is here under which id, and who says what to whom. Pure: it is told of connections, messages and the time, and says what is
to be sent and who is to go.

    connected ─▶ nobody ──register──▶ challenged ──prove──▶ registered ─▶ gone      without a key nobody is registered at once
"""

from __future__ import annotations

import base64
import hmac
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple

from appliance_server_signalling import messages
from appliance_server_signalling.limits import Bucket, Waiting
from appliance_server_signalling.messages import Discover, Forwarded, NoMessage, Ping, Pong, Prove, Register
from appliance_server_signalling.proofs import NONCE_BYTES, NoKey, is_proof, key_of

HELLO_SECONDS: Final = 10.0
"""For the upgrade and to register."""
PING_EVERY: Final = 30
"""Seconds. Connections are asked in as many turns, one a second."""
PONG_SECONDS: Final = 20.0
"""For any sign of life after a ping: who fell silent is gone after 50 s at most."""
HELD_SECONDS: Final = 3600.0
"""An id whose key was proved stays its holder's for so long after he went."""
MOST_HELD: Final = 10_000
MOST_STRIKES: Final = 20
"""Refused messages until the connection is closed."""
BURST: Final = 5.0
"""Seconds' worth of messages at once."""
LEAST_BURST: Final = 16.0
"""Messages at once, whatever the rate: the longest one to a peer who is not here, and a proof, have to pass some time."""
CROWD: Final = 5.0
"""As many times what a connection may, one address may at least."""
TALKING: Final = 13.0
"""Of as many connections that an address may have one is expected to say all that it may: where a proxy has thousands, their
pongs alone are more than a few peers may say."""
LONG: Final = 4096
"""Bytes of a message that cost as much as another message."""
PROOF_COST: Final = 10.0
"""Messages that a proof counts as."""
SEEK_COST: Final = 4.0
"""And one for a peer who is not here."""
GOING_AWAY, POLICY = 1001, 1008
"""RFC 6455, section 7.4.1."""
REPLACED, SILENT, NOT_REGISTERED = 4409, 4408, 4401
"""Our own: the holder of the key registered elsewhere; no sign of life; did not register in time."""


class Rules(NamedTuple):
    """What the profile says."""

    messages: float
    """A second."""
    listing: bool
    token: bytes
    """b"": none is wanted."""
    per_address: int = 64
    """Connections that one address may have."""


class Link:
    """A connection that was upgraded."""

    __slots__ = ("address", "bucket", "host", "id", "key", "pending", "strikes", "turn")

    def __init__(self, host: str, address: str, bucket: Bucket, turn: int) -> None:
        self.host = host
        """What its peer calls this server: the header field of its request."""
        self.address = address
        """Or group of addresses."""
        self.bucket = bucket
        self.turn = turn
        """The second of each half minute in which it is asked."""
        self.id = ""
        """"" until it is registered."""
        self.key = b""
        self.pending: _Pending | None = None
        self.strikes = 0


class _Pending(NamedTuple):
    """A registration whose proof is to come."""

    id: str
    key: bytes
    nonce: str


class _Held(NamedTuple):
    key: bytes
    until: float


class Send(NamedTuple):
    """Send that text."""

    link: Link
    text: str


class Ask(NamedTuple):
    """Send a WebSocket ping."""

    link: Link


class Close(NamedTuple):
    """End it."""

    link: Link
    code: int
    reason: str


class Appeared(NamedTuple):
    """A peer is registered here."""

    id: str


class Vanished(NamedTuple):
    """It is no more."""

    id: str


class Seek(NamedTuple):
    """That peer is not here. Bring it the text if it is at another member; "": only find out whether it is. `missed` or `looked`
    says how it went."""

    link: Link
    to: str
    text: str


Effect = Seek | Send | Ask | Close | Appeared | Vanished


class Switchboard:
    """`effects` is what is to be done; whoever does it takes it out. `counted`: what happened, by name."""

    def __init__(self, rules: Rules, random: Callable[[int], bytes]) -> None:
        self._rules = rules
        self._random = random
        self._here: dict[str, Link] = {}
        """Registered, by id."""
        self._links: set[Link] = set()
        self._turns: list[set[Link]] = [set() for _ in range(PING_EVERY)]
        """Connections by the second in which they are asked."""
        self._turn = 0
        self._next = 0
        """The turn of the connection that came last."""
        self._addresses: dict[str, tuple[Bucket, int]] = {}
        """By group: what all may together, and how many there are."""
        self._hello: Waiting[Link] = Waiting(HELLO_SECONDS)
        self._asked: Waiting[Link] = Waiting(PONG_SECONDS)
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self.effects: list[Effect] = []
        self.counted: Counter[str] = Counter()

    @property
    def connections(self) -> int:
        """That were upgraded."""
        return len(self._links)

    @property
    def peers(self) -> int:
        """That are registered."""
        return len(self._here)

    @property
    def held(self) -> int:
        """Ids that are kept for holders who are away."""
        return len(self._held)

    @property
    def ids(self) -> list[str]:
        """Of all that are registered."""
        return [*self._here]

    def connected(self, host: str, address: str, now: float) -> Link:
        """One more."""
        self._next = (self._next + 1) % PING_EVERY  # a crowd that comes at once is not asked at once
        link = Link(host, address, _bucket(self._rules.messages, now), self._next)
        self._links.add(link)
        self._turns[link.turn].add(link)
        self._hello.begin(link, now)
        bucket, count = self._addresses.get(address) or (self._bucket_of_address(now), 0)
        self._addresses[address] = bucket, count + 1
        return link

    def gone(self, link: Link, now: float) -> None:
        """Its connection has ended. Safe to call twice."""
        if link not in self._links:
            return
        self._links.remove(link)
        self._turns[link.turn].remove(link)
        self._hello.end(link)
        self._asked.end(link)
        self._leave(link, now)
        bucket, count = self._addresses[link.address]
        if count == 1:
            del self._addresses[link.address]
        else:
            self._addresses[link.address] = bucket, count - 1

    def heard(self, link: Link, size: int, now: float) -> bool:
        """A frame of so many bytes came. May it be looked at?"""
        self._asked.end(link)
        cost = 1 + size // LONG
        if link.bucket.take(cost, now) and self._addresses[link.address][0].take(cost, now):
            return True
        self._refuse(link, "rate_limited", "too many messages", "wait a second, and send fewer")
        return False

    def said(self, link: Link, text: str, now: float) -> None:
        """A text that may be looked at."""
        try:
            message = messages.read(text)
        except NoMessage as error:
            self._refuse(link, "invalid_message", str(error), "schemas/signalling-1.schema.json says what a message is")
            return
        self.counted[message.type] += 1
        match message:
            case Ping():
                self._send(link, messages.text_of({"type": "pong"}))
            case Pong():
                pass
            case Register():
                self._register(link, message, now)
            case Prove():
                self._prove(link, message, now)
            case _ if not link.id:
                self._refuse(link, "not_registered", "register first", "send a message of the type register")
            case Discover():
                self._discover(link, message, now)
            case _:
                self._forward(link, message, now)

    def is_here(self, peer: str) -> bool:
        """Is it registered?"""
        return peer in self._here

    def missed(self, link: Link, to: str, text: str) -> None:
        """What a `Seek` was about did not arrive."""
        if not text:
            self.looked(link, to, found=False)
            return
        self._unknown(link, to)

    def looked(self, link: Link, peer: str, *, found: bool) -> None:
        """Whether a peer is here, or at another member."""
        self._send(link, messages.text_of({"type": "peers", "peers": [peer] if found else []}))

    def arrived(self, to: str, message: Mapping[str, Any]) -> bool:
        """A message for that peer came from another member. Is it here?"""
        other = self._here.get(to)
        if other is not None:
            self._send(other, messages.text_of(message))
        return other is not None

    def absent(self, sender: str, peer: str) -> None:
        """What a peer here wrote to that one did not arrive after all."""
        link = self._here.get(sender)
        if link is not None:
            self._unknown(link, peer)

    def due(self, now: float) -> None:
        """A second has passed: ask those whose turn it is, and send away those who are late."""
        for link in self._turns[self._turn]:
            self._asked.begin(link, now)
            self.effects.append(Ask(link))
        self._turn = (self._turn + 1) % PING_EVERY
        for link in self._asked.late(now):
            self._close(link, SILENT, "no sign of life")
        for link in self._hello.late(now):
            self._close(link, NOT_REGISTERED, "did not register in time")
        while self._held and next(iter(self._held.values())).until <= now:
            self._held.popitem(last=False)

    def _bucket_of_address(self, now: float) -> Bucket:
        return _bucket(self._rules.messages * max(CROWD, self._rules.per_address / TALKING), now)

    def _register(self, link: Link, message: Register, now: float) -> None:
        if link.id:
            self._refuse(link, "already_registered", f"you are {link.id} already", "another id needs another connection")
            return
        if self._rules.token and not hmac.compare_digest((message.token or "").encode(), self._rules.token):
            self._refuse(link, "wrong_token", "this server wants a token", "put it into `token`")
            return
        if message.key is None:
            if self._is_free(message.id, b"", now):
                self._enter(link, message.id, b"")
            else:
                self._taken(link, message.id)
            return
        try:
            key = key_of(message.key)
        except NoKey:
            hint = "an Ed25519 or ECDSA P-256 key as base64 of its SubjectPublicKeyInfo"
            self._refuse(link, "wrong_key", "that is no public key that is taken here", hint)
            return
        link.pending = _Pending(message.id, key, base64.b64encode(self._random(NONCE_BYTES)).decode())
        self._send(link, messages.text_of({"type": "challenge", "nonce": link.pending.nonce}))

    def _prove(self, link: Link, message: Prove, now: float) -> None:
        pending, link.pending = link.pending, None
        if pending is None:
            self._refuse(link, "no_challenge", "there is nothing to prove", "register with a key first")
            return
        if not (link.bucket.take(PROOF_COST, now) and self._addresses[link.address][0].take(PROOF_COST, now)):
            self._refuse(link, "rate_limited", "too many proofs", "wait a second, and register again")
            return
        if not is_proof(pending.key, message.signature, link.host, pending.id, pending.nonce):
            self._refuse(link, "wrong_proof", "the signature is not that of the key", f"the host that was signed is {link.host}?")
            return
        if not self._is_free(pending.id, pending.key, now):
            self._taken(link, pending.id)
            return
        if (other := self._here.get(pending.id)) is not None:
            self._leave(other, now)
            self._close(other, REPLACED, "the holder of the key registered elsewhere")
        self._enter(link, pending.id, pending.key)

    def _is_free(self, peer: str, key: bytes, now: float) -> bool:
        """May somebody who proved to have `key` (b"": who proved nothing) be called that?"""
        here = self._here.get(peer)
        if here is not None:
            return bool(key) and here.key == key
        held = self._held.get(peer)
        return held is None or held.until <= now or held.key == key

    def _enter(self, link: Link, peer: str, key: bytes) -> None:
        self._held.pop(peer, None)
        self._hello.end(link)
        link.id, link.key = peer, key
        self._here[peer] = link
        self._send(link, messages.text_of({"type": "registered", "id": peer}))
        self.effects.append(Appeared(peer))

    def _leave(self, link: Link, now: float) -> None:
        if not link.id:
            return
        del self._here[link.id]
        if link.key:
            self._held[link.id] = _Held(link.key, now + HELD_SECONDS)
            if len(self._held) > MOST_HELD:
                self._held.popitem(last=False)
        self.effects.append(Vanished(link.id))
        link.id, link.key = "", b""

    def _discover(self, link: Link, message: Discover, now: float) -> None:
        if message.id is not None:
            if message.id in self._here:
                self.looked(link, message.id, found=True)
            else:
                self._seek(link, message.id, "", now)
            return
        if not self._rules.listing:
            self._refuse(link, "not_listed", "this server tells nobody's id", "ask for one that you know, by `id`")
            return
        found = [peer for peer in islice(self._here, message.limit + 1) if peer != link.id][: message.limit]
        self._send(link, messages.text_of({"type": "peers", "peers": found}))

    def _forward(self, link: Link, message: Forwarded, now: float) -> None:
        text = messages.forwarded(message, link.id)
        other = self._here.get(message.to)
        if other is None:
            self._seek(link, message.to, text, now)
        else:
            self._send(other, text)

    def _seek(self, link: Link, to: str, text: str, now: float) -> None:
        if link.bucket.take(SEEK_COST, now):
            self.effects.append(Seek(link, to, text))
        else:
            self._refuse(link, "rate_limited", "too many messages to peers who are not here", "wait a second, and send fewer")

    def _unknown(self, link: Link, to: str) -> None:
        self.counted["unknown_peer"] += 1
        said = messages.error(
            "unknown_peer", "nobody here, and at no member's server, has that id", "wait until it registers", to
        )
        self._send(link, said)

    def _taken(self, link: Link, peer: str) -> None:
        hint = "take another, or register with the key that it belongs to"
        self._refuse(link, "id_taken", f"{peer} is somebody else", hint)

    def _refuse(self, link: Link, code: str, message: str, hint: str) -> None:
        self.counted[code] += 1
        link.strikes += 1
        if link.strikes > MOST_STRIKES:
            self._close(link, POLICY, "too many messages that were refused")
            return
        self._send(link, messages.error(code, message, hint))

    def _send(self, link: Link, text: str) -> None:
        self.effects.append(Send(link, text))

    def _close(self, link: Link, code: int, reason: str) -> None:
        self.counted[f"closed {code}"] += 1
        self.effects.append(Close(link, code, reason))


def _bucket(rate: float, now: float) -> Bucket:
    return Bucket(rate, max(LEAST_BURST, rate * BURST), now)
