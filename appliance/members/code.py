"""The code that an admin carries from a member to a new host: the secret, who answers, and where to call.

     0     1          17                   49                    n-3     n
    +-----+----------+--------------------+---------------------+-------+
    | V|N | secret   | inviter's digest   | N places            | check |       V, N: 4 bits each, version and number of places
    +-----+----------+--------------------+---------------------+-------+

A place is one byte, what kind it is, and what the kind has:

    1..11   bits 0 udp, 1 tcp, 2 IPv6, 3 by name: the host (4 bytes, 16 bytes, or a length and that many characters), u16 port
    16      a length and that many characters: an endpoint of another form, as text
    32      32 bytes, the digest of a member that relays to the inviter. The places behind it are that member's

`check` is the start of a hash over all before it: it tells a typing error from a wrong secret, and holds nobody off. A person
types it, so it is written in Crockford's base32: capitals and digits without I, L, O and U, in groups.
"""

from __future__ import annotations

import ipaddress
from typing import Final, NamedTuple

from appliance.api.values import LONGEST_AUTHORITY, Endpoint
from appliance.errors import ApplianceError, ExitCode
from appliance.members.network import digest_of_text, identity_text
from appliance.protocol.digests import sha256

VERSION: Final = 1
SECRET_BYTES: Final = 16
"""128 bits: nobody guesses it, so no limit of guesses protects it."""
DIGEST_BYTES: Final = 32
CHECK_BYTES: Final = 3
"""One typing error in sixteen million is not noticed (chosen: five characters)."""
CHECK_LABEL: Final = b"LLP1 code"
MOST_PLACES: Final = 15
"""What the field can say."""
MOST_SYMBOLS: Final = 2000
"""What is longer is no code, whatever it is."""
GROUP: Final = 5
"""Characters between two dashes: as many as are read aloud at once."""
ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_READ_AS: Final = {symbol: number for number, symbol in enumerate(ALPHABET)} | {"O": 0, "I": 1, "L": 1}
_BY_BITS: Final = {"udp": 1, "tcp": 2}
_IPV6, _NAMED, _TEXT, _RELAY = 4, 8, 16, 32


class CodeInvalid(ApplianceError):
    """That is no code. The message never holds the code."""

    exit_code = ExitCode.INVALID


class Contact(NamedTuple):
    """A node, and where it can be called."""

    identity: str
    """Its fingerprint."""
    endpoints: tuple[Endpoint, ...]
    """Most wanted first."""


class Code(NamedTuple):
    """What a code says."""

    secret: bytes
    """16 bytes."""
    inviter: Contact
    """Who issues the certificate. Without endpoints it is reached through a relay only."""
    relays: tuple[Contact, ...] = ()
    """Members through which the inviter can be reached."""

    def __repr__(self) -> str:
        return f"Code({self.inviter.identity})"


def write_code(code: Code) -> str:
    """The code as it is shown. Raises CodeInvalid when it has more places, or longer names, than a code can hold."""
    places = _places(code.inviter.endpoints)
    for relay in code.relays:
        places += [bytes([_RELAY]) + digest_of_text(relay.identity), *_places(relay.endpoints)]
    if len(places) > MOST_PLACES:
        raise CodeInvalid(f"a code has room for {MOST_PLACES} places to call", hint="name the best with --at")
    plain = bytes([VERSION << 4 | len(places)]) + code.secret + digest_of_text(code.inviter.identity) + b"".join(places)
    symbols = _symbols(plain + _check(plain))
    return "-".join(symbols[at : at + GROUP] for at in range(0, len(symbols), GROUP))


def read_code(text: str) -> Code:
    """The code that somebody typed: case, dashes and blanks do not matter. Raises CodeInvalid."""
    plain = _checked(_bytes(text))
    version, count = plain[0] >> 4, plain[0] & 0xF
    if version != VERSION:
        raise CodeInvalid("the code is of a newer version of the appliance", hint="install the inviter's version here, too")
    try:
        return _read(plain, count)
    except (IndexError, ValueError):
        raise CodeInvalid("the code is damaged", hint="ask for another: appliance network invite") from None


# ---- bytes ----


def _read(plain: bytes, count: int) -> Code:
    start = 1 + SECRET_BYTES
    contacts: list[tuple[bytes, list[Endpoint]]] = [(_exactly(plain, start, DIGEST_BYTES), [])]
    at = start + DIGEST_BYTES
    for _ in range(count):
        kind = plain[at]
        if kind == _RELAY:
            contacts.append((_exactly(plain, at + 1, DIGEST_BYTES), []))
            at += 1 + DIGEST_BYTES
        else:
            endpoints, at = _read_place(plain, kind, at + 1)
            contacts[-1][1].extend(endpoints)
    if at != len(plain):
        raise ValueError("bytes behind the last place")
    inviter, *relays = (Contact(identity_text(digest), tuple(endpoints)) for digest, endpoints in contacts)
    return Code(plain[1:start], inviter, tuple(relays))


def _read_place(plain: bytes, kind: int, at: int) -> tuple[list[Endpoint], int]:
    """The endpoints of a place whose contents begin at `at`, and where they end."""
    if kind == _TEXT:
        text = _exactly(plain, at + 1, plain[at]).decode("ascii")
        return [Endpoint.parse(text)], at + 1 + plain[at]
    schemes = [scheme for scheme, bit in _BY_BITS.items() if kind & bit]
    if not schemes or kind & ~(_IPV6 | _NAMED | 3) or kind & (_IPV6 | _NAMED) == _IPV6 | _NAMED:
        raise ValueError("no such kind of place")
    if kind & _NAMED:
        length = plain[at]
        host = _exactly(plain, at + 1, length).decode("ascii")
        at += 1 + length
    else:
        length = 16 if kind & _IPV6 else 4
        host = str(ipaddress.ip_address(_exactly(plain, at, length)))
        at += length
    port = int.from_bytes(_exactly(plain, at, 2), "big")
    bracketed = f"[{host}]" if kind & _IPV6 else host
    return [Endpoint.parse(f"{scheme}://{bracketed}:{port}") for scheme in schemes], at + 2


def _places(endpoints: tuple[Endpoint, ...]) -> list[bytes]:
    """The places of one contact. UDP and TCP of one host and port, in this order, are one."""
    places: list[bytes] = []
    before: Endpoint | None = None
    for endpoint in endpoints:
        twin = before is not None and before.scheme == "udp" and endpoint == before._replace(scheme="tcp")
        if twin:
            places[-1] = bytes([places[-1][0] | _BY_BITS["tcp"]]) + places[-1][1:]
        else:
            places.append(_place(endpoint))
        before = endpoint
    return places


def _place(endpoint: Endpoint) -> bytes:
    bit = _BY_BITS.get(endpoint.scheme)
    if bit is None:
        return bytes([_TEXT]) + _counted(str(endpoint))
    port = endpoint.port.to_bytes(2, "big")
    try:
        address = ipaddress.ip_address(endpoint.host)
    except ValueError:
        return bytes([bit | _NAMED]) + _counted(endpoint.host) + port
    if getattr(address, "scope_id", None):
        raise CodeInvalid(f"{endpoint}: a link-local address means nothing on another host", hint="name another with --at")
    return bytes([bit | (_IPV6 if address.version == 6 else 0)]) + address.packed + port


def _counted(text: str) -> bytes:
    if not text.isascii() or len(text) > min(255, LONGEST_AUTHORITY):
        raise CodeInvalid(f"{text[:60]!r} does not fit into a code", hint="name a shorter one, of plain letters, with --at")
    return bytes([len(text)]) + text.encode("ascii")


def _exactly(data: bytes, at: int, length: int) -> bytes:
    piece = data[at : at + length]
    if len(piece) != length:
        raise ValueError("too short")
    return piece


def _check(plain: bytes) -> bytes:
    return sha256(CHECK_LABEL + plain)[:CHECK_BYTES]


def _checked(encoded: bytes) -> bytes:
    plain, check = encoded[:-CHECK_BYTES], encoded[-CHECK_BYTES:]
    if len(plain) < 1 + SECRET_BYTES + DIGEST_BYTES:
        raise CodeInvalid("the code is not complete", hint="copy it from the first to the last group")
    if _check(plain) != check:
        raise CodeInvalid(
            "the code has a typing error, or a part is missing", hint="compare it group by group with what is shown"
        )
    return plain


# ---- symbols ----


def _symbols(data: bytes) -> str:
    count = (len(data) * 8 + 4) // 5
    number = int.from_bytes(data, "big") << (count * 5 - len(data) * 8)
    return "".join(ALPHABET[number >> 5 * place & 31] for place in reversed(range(count)))


def _bytes(text: str) -> bytes:
    """The bytes that `text` spells. Raises CodeInvalid."""
    symbols = "".join(text.upper().replace("-", "").split())
    if not symbols or len(symbols) > MOST_SYMBOLS:
        raise CodeInvalid("that is no code", hint="a code is what `appliance network invite` prints")
    number = 0
    for place, symbol in enumerate(symbols):
        value = _READ_AS.get(symbol)
        if value is None:
            group = place // GROUP + 1
            raise CodeInvalid(
                f"group {group} of the code has a character that no code has", hint="there are 0-9 and A-Z without U"
            )
        number = number << 5 | value
    length = len(symbols) * 5 // 8
    spare = len(symbols) * 5 - length * 8
    if number & ((1 << spare) - 1):
        raise CodeInvalid("the code has a typing error at its end, or a part is missing", hint="compare the last group")
    return (number >> spare).to_bytes(length, "big")
